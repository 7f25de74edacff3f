# SPDX-License-Identifier: Apache-2.0
"""Faults of a single request; each function returns an action for the request's handler."""

import socket
import struct
from collections.abc import Callable

from tests.unit.sockets import Handler

Action = Callable[[Handler], bool]


def status(code: int, body: bytes = b"", **headers: str) -> Action:
    """Read the whole body and answer with `code`."""

    def act(handler: Handler) -> bool:
        handler.read_body()
        names = {key.replace("_", "-"): value for key, value in headers.items()}
        handler.answer(code, names, body)
        return True

    return act


def early_status(code: int) -> Action:
    """Answer with `code` before the body is read, and close the connection."""

    def act(handler: Handler) -> bool:
        handler.answer(code, {"Connection": "close"})
        handler.wfile.flush()
        handler.close_connection = True
        return True

    return act


def reset(read: int = 0) -> Action:
    """Read `read` bytes of the body, then reset the connection."""

    def act(handler: Handler) -> bool:
        handler.rfile.read(read)
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        socket.close(handler.connection.detach())  # at once, whoever else holds the object
        handler.close_connection = True
        return True

    return act


def reset_after_body() -> Action:
    """Process the request, but do not answer it."""

    def act(handler: Handler) -> bool:
        handler.read_body()
        handler.answer = lambda *_args: None  # type: ignore[method-assign]
        handler.serve()
        return reset()(handler)

    return act


def stall() -> Action:
    """Neither read nor answer until the test is over."""

    def act(handler: Handler) -> bool:
        handler.service.released.wait(60)
        handler.close_connection = True
        return True

    return act


def first(event_like: Callable[[Handler], None]) -> Action:
    """Call a function, then serve the request as usual."""

    def act(handler: Handler) -> bool:
        with handler.service.lock:
            event_like(handler)
        return False

    return act


def damaged_etag() -> Action:
    """Store the body, but answer with another MD5."""

    def act(handler: Handler) -> bool:
        proper = handler.answer
        handler.answer = lambda code, headers=None, body=b"": proper(  # type: ignore[method-assign]
            code, {**(headers or {}), "ETag": "0" * 32}, body
        )
        handler.serve()
        return True

    return act


def cut(sent: int) -> Action:
    """Declare the whole response, send `sent` bytes of it, and close the connection."""

    def act(handler: Handler) -> bool:
        proper = handler.answer

        def answer(code: int, headers: dict | None = None, body: bytes = b"") -> None:
            headers = {"Content-Length": str(len(body)), **(headers or {})}
            proper(code, headers, body[:sent])

        handler.answer = answer  # type: ignore[method-assign]
        handler.serve()
        handler.close_connection = True
        return True

    return act


def overlong(extra: bytes) -> Action:
    """Send `extra` bytes after the requested ones, and declare them."""

    def act(handler: Handler) -> bool:
        proper = handler.answer

        def answer(code: int, headers: dict | None = None, body: bytes = b"") -> None:
            longer = body + extra
            proper(code, {**(headers or {}), "Content-Length": str(len(longer))}, longer)

        handler.answer = answer  # type: ignore[method-assign]
        handler.serve()
        return True

    return act


def altered(change: Callable[[bytes], bytes]) -> Action:
    """Answer with a changed body."""

    def act(handler: Handler) -> bool:
        proper = handler.answer
        handler.answer = lambda code, headers=None, body=b"": proper(  # type: ignore[method-assign]
            code, headers, change(body)
        )
        handler.serve()
        return True

    return act


def trickle(interval: float, sent: list[int]) -> Action:
    """Declare the whole answer, and send a byte of it each `interval` seconds, noted in `sent`."""

    def act(handler: Handler) -> bool:
        proper = handler.answer

        def answer(code: int, headers: dict | None = None, body: bytes = b"") -> None:
            proper(code, {**(headers or {}), "Content-Length": str(len(body))})
            handler.wfile.flush()
            for byte in body:
                handler.wfile.write(bytes([byte]))
                sent.append(byte)
                if handler.service.released.wait(interval):
                    break

        handler.answer = answer  # type: ignore[method-assign]
        handler.serve()
        handler.close_connection = True
        return True

    return act


def trickling_headers(interval: float) -> Action:
    """Send a byte of an answer's status line and headers each `interval` seconds."""

    def act(handler: Handler) -> bool:
        handler.read_body()
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}":
            handler.wfile.write(bytes([byte]))
            if handler.service.released.wait(interval):
                break
        handler.close_connection = True
        return True

    return act
