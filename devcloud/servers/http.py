# SPDX-License-Identifier: Apache-2.0
"""A WSGI application on threads, by Werkzeug's server: Keystone and Glance."""

import os
import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from werkzeug import serving

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class _Handler(serving.WSGIRequestHandler):
    """Quiet; it takes chunked bodies, and says so by `wsgi.input_terminated`, as Glance expects."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        pass


def serve(app: "WSGIApplication", sock: socket.socket, ready: Callable[[], None]) -> NoReturn:
    """Answer on `sock` until SIGTERM ends the process."""
    host, port = sock.getsockname()
    server = serving.make_server(
        host, port, app, threaded=True, request_handler=_Handler, fd=sock.fileno()
    )
    server.daemon_threads = True  # type: ignore[attr-defined]  # the threaded one's
    sock.close()
    ready()
    # At once: the exit handlers would wait for tasks and for kept connections.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server.serve_forever()
    raise SystemExit
