# SPDX-License-Identifier: Apache-2.0
"""A request's body on its way to the application."""

from typing import Any


class WatchedInput:
    """`wsgi.input` that tells `passed` how much was read; all else is the server's own input."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def passed(self, length: int) -> None:
        """Learn that `length` more bytes were read."""
        raise NotImplementedError

    def read(self, *size: int) -> bytes:
        return self._told(self._inner.read(*size))

    def readline(self, *size: int) -> bytes:
        return self._told(self._inner.readline(*size))

    def _told(self, data: bytes) -> bytes:
        self.passed(len(data))
        return data

    def __getattr__(self, name: str) -> Any:
        if name == "readinto":  # a way past `read`; WSGI has no such method, nobody counts on it
            raise AttributeError(name)
        return getattr(self._inner, name)
