# SPDX-License-Identifier: Apache-2.0
"""The filter that writes the access log for `devcloud.accesslog`."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devcloud.middleware.bodies import WatchedInput
from devcloud.middleware.requests import method, path

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DROPPED = "devcloud.dropped"  # in the environment of a request to which a fault allows no response


class _Exchange(WatchedInput):
    """A request and its response, which are logged once."""

    def __init__(self, log: Path, environ: "WSGIEnvironment") -> None:
        super().__init__(environ["wsgi.input"])
        self._log, self._environ = log, environ
        self._started = time.time()
        self._written = False
        self._received = self._sent = self._status = 0
        self._length: int | None = None

    def passed(self, length: int) -> None:
        self._received += length

    def starts(self, status: str, headers: list[tuple[str, str]]) -> None:
        self._status = int(status[:3])
        lengths = [int(value) for name, value in headers if name.lower() == "content-length"]
        bodiless = method(self._environ) == "HEAD" or self._status in (204, 304)
        self._length = 0 if bodiless else next(iter(lengths), None)
        self._write_when_complete()

    def sends(self, chunk: bytes) -> bytes:
        self._sent += len(chunk)
        self._write_when_complete()
        return chunk

    def _write_when_complete(self) -> None:
        """Write the line before the last byte is sent, so that a test finds it afterwards."""
        if self._length is not None and self._sent >= self._length:
            self.write()

    def write(self) -> None:
        if self._written:
            return
        self._written = True
        line = json.dumps(self._facts())
        with self._log.open("a") as log:
            log.write(line + "\n")

    def _facts(self) -> dict[str, Any]:
        environ = self._environ
        return {
            "time": self._started,
            "method": method(environ),
            "path": path(environ),
            "query": environ.get("QUERY_STRING", ""),
            "status": 0 if DROPPED in environ else self._status,
            "received": self._received,
            "sent": self._sent,
            "seconds": round(time.time() - self._started, 3),
            "range": environ.get("HTTP_RANGE", ""),
            "agent": environ.get("HTTP_USER_AGENT", ""),
        }


class AccessLog:
    """Log each request when its response is complete."""

    def __init__(self, app: "WSGIApplication", log: Path) -> None:
        self._app, self._log = app, log

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        exchange = _Exchange(self._log, environ)
        environ["wsgi.input"] = exchange

        def starting(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            exchange.starts(status, headers)
            return start_response(status, headers, *exc_info)

        response = self._app(environ, starting)
        return _sending(exchange, response)


def _sending(exchange: _Exchange, response: Iterable[bytes]) -> Iterator[bytes]:
    try:
        for chunk in response:
            yield exchange.sends(chunk)
    finally:
        exchange.write()
        if hasattr(response, "close"):
            response.close()


def filter_factory(
    _global_conf: dict[str, str], path: str, **_options: str
) -> "Callable[[WSGIApplication], WSGIApplication]":
    """Return the filter to which api-paste refers."""
    return lambda app: AccessLog(app, Path(path))
