# SPDX-License-Identifier: Apache-2.0
"""The filter that applies the rules of `devcloud.faults`."""

import contextlib
import http
import io
import json
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from devcloud.faults import Asked, Rule
from devcloud.middleware.accesslog import DROPPED
from devcloud.middleware.bodies import WatchedInput
from devcloud.middleware.requests import method, path
from devcloud.middleware.rulebook import RuleBook, rule_book

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_IMAGE = re.compile(r"/v2/images/[^/]+")
_OF_BODY = ("CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_EXPECT", "HTTP_RANGE", "HTTP_TRANSFER_ENCODING")


class Faults:
    """Pass each request on, or apply the rule for it."""

    def __init__(self, app: "WSGIApplication", rules: RuleBook) -> None:
        self._app, self._rules = app, rules

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        asked = Asked(
            method(environ),
            path(environ),
            environ.get("QUERY_STRING", ""),
            environ.get("HTTP_RANGE", ""),
            lambda: _image_name(self._app, environ),
        )
        rule = self._rules.apply(asked)
        if rule is None:
            return self._app(environ, start_response)
        rule.hold()
        if rule.drop == "before":
            return _unanswered(environ, start_response)
        if rule.status is not None:
            return _answer(rule, rule.status, start_response)
        environ["wsgi.input"] = _FaultyUpload(environ, rule)
        environ["eventlet.minimum_write_chunk_size"] = (
            1  # otherwise eventlet buffers the data before a stall
        )
        return self._carried_out(rule, environ, start_response)

    def _carried_out(
        self, rule: Rule, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if rule.drop == "answer":
            _exhaust(self._app(environ, _ignore_start))
            return _unanswered(environ, start_response)
        if rule.truncate is not None:
            start_response = _shortened(start_response, rule.truncate)
        response = self._app(environ, start_response)
        return _closing(_faulty_download(response, environ, rule), response)


def _image_name(app: "WSGIApplication", environ: "WSGIEnvironment") -> str:
    """Ask Glance for the name of the image whose ID is in the path, as the request's user."""
    found = _IMAGE.match(environ.get("PATH_INFO", ""))
    if found is None:
        return ""
    asked = {
        **{name: value for name, value in environ.items() if name not in _OF_BODY},
        "REQUEST_METHOD": "GET",
        "PATH_INFO": found[0],
        "QUERY_STRING": "",
        "wsgi.input": io.BytesIO(),
    }
    response = app(asked, _ignore_start)
    answer = b"".join(_closing(iter(response), response))
    with contextlib.suppress(ValueError):
        return str(json.loads(answer).get("name"))
    return ""


class _FaultyUpload(WatchedInput):
    """The body of a request with the faults of a rule; no read crosses `offset`."""

    def __init__(self, environ: "WSGIEnvironment", rule: Rule) -> None:
        super().__init__(environ["wsgi.input"])
        self._environ, self._rule = environ, rule
        self._left = rule.offset  # bytes until the fault
        self._is_due = rule.drop == "upload" or rule.stall > 0
        self._ended = False

    def read(self, *size: int) -> bytes:
        if not self._is_due:
            return b"" if self._ended else super().read(*size)
        if self._left > 0:
            return super().read(min([self._left, *(n for n in size if n >= 0)]))
        self._is_due = False
        time.sleep(self._rule.stall)
        if self._rule.drop == "upload":
            _cut(self._environ)
            self._ended = True
        return self.read(*size)

    def passed(self, length: int) -> None:
        self._left -= length
        if self._rule.bytes_per_second:
            time.sleep(length / self._rule.bytes_per_second)


def _faulty_download(
    response: Iterable[bytes], environ: "WSGIEnvironment", rule: Rule
) -> Iterator[bytes]:
    sent = 0
    for chunk in _until(response, rule.truncate):
        at = rule.offset - sent
        sent += len(chunk)
        if rule.bytes_per_second:
            time.sleep(len(chunk) / rule.bytes_per_second)
        if not 0 <= at < len(chunk):
            yield chunk
            continue
        yield chunk[:at]
        time.sleep(rule.stall)
        if rule.drop == "download":
            _cut(environ)
            return
        yield _inverted(chunk[at:]) if rule.corrupt else chunk[at:]


def _until(response: Iterable[bytes], length: int | None) -> Iterator[bytes]:
    for chunk in response:
        yield chunk if length is None else chunk[:length]
        length = None if length is None else max(0, length - len(chunk))


def _inverted(data: bytes) -> bytes:
    return bytes([data[0] ^ 0xFF]) + data[1:]


def _answer(rule: Rule, status: int, start_response: "StartResponse") -> Iterable[bytes]:
    """Respond without reading the body of the request; the connection cannot be reused."""
    body = rule.body.encode()
    headers = {"Content-Length": str(len(body)), "Connection": "close", **rule.headers}
    phrases = {code.value: code.phrase for code in http.HTTPStatus}
    start_response(f"{status} {phrases.get(status, 'Fault')}", list(headers.items()))
    return [body]


def _unanswered(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    _cut(environ)
    environ[DROPPED] = True
    # The server requires a response, which nobody receives.
    start_response("503 Dropped", [("Content-Length", "0"), ("Connection", "close")])
    return []


def _cut(environ: "WSGIEnvironment") -> None:
    """Close the client's connection, which belongs to the server of eventlet or Werkzeug."""
    connection = environ.get("werkzeug.socket") or environ["eventlet.input"].get_socket()
    with contextlib.suppress(OSError):  # the client has closed it
        connection.shutdown(socket.SHUT_RDWR)


def _exhaust(response: Iterable[bytes]) -> None:
    for _chunk in _closing(iter(response), response):
        pass


def _ignore_start(_status: str, _headers: list[tuple[str, str]], *_exc_info: Any) -> Any:
    return lambda _data: None


def _shortened(start_response: "StartResponse", length: int) -> "StartResponse":
    def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        kept = [(n, v) for n, v in headers if n.lower() != "content-length"]
        old = next((int(v) for n, v in headers if n.lower() == "content-length"), length)
        return start_response(status, [*kept, ("Content-Length", str(min(old, length)))], *exc_info)

    return start


def _closing(chunks: Iterator[bytes], response: Iterable[bytes]) -> Iterator[bytes]:
    """Iterate, and then close the response of the application, as WSGI requires."""
    try:
        yield from chunks
    finally:
        if hasattr(response, "close"):
            response.close()


def filter_factory(
    _global_conf: dict[str, str], directory: str, **_options: str
) -> "Callable[[WSGIApplication], WSGIApplication]":
    """Return the filter to which api-paste refers."""
    return lambda app: Faults(app, rule_book(directory))
