# SPDX-License-Identifier: Apache-2.0
"""The server of Keystone and Glance: Werkzeug's, with a thread for each connection."""

import os
import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from werkzeug import serving

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class _Handler(serving.WSGIRequestHandler):
    """A handler without log output.

    It accepts chunked bodies and sets `wsgi.input_terminated`, as Glance expects.
    """

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        pass


def serve(app: "WSGIApplication", sock: socket.socket, ready: Callable[[], None]) -> NoReturn:
    """Serve requests on `sock` until SIGTERM ends the process."""
    host, port = sock.getsockname()
    server = serving.make_server(
        host, port, app, threaded=True, request_handler=_Handler, fd=sock.fileno()
    )
    server.daemon_threads = True  # type: ignore[attr-defined]  # of the threaded server
    sock.close()
    ready()
    # Exit handlers would wait for tasks and open connections.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server.serve_forever()
    raise SystemExit
