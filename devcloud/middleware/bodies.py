# SPDX-License-Identifier: Apache-2.0
"""The body of a request on its way to the application."""

from typing import Any


class WatchedInput:
    """`wsgi.input` that calls `passed` for what is read; the rest is the input of the server."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def passed(self, length: int) -> None:
        """Record that `length` more bytes were read."""
        raise NotImplementedError

    def read(self, *size: int) -> bytes:
        return self._counted(self._inner.read(*size))

    def readline(self, *size: int) -> bytes:
        return self._counted(self._inner.readline(*size))

    def _counted(self, data: bytes) -> bytes:
        self.passed(len(data))
        return data

    def __getattr__(self, name: str) -> Any:
        if name == "readinto":  # would bypass `read`; not part of WSGI
            raise AttributeError(name)
        return getattr(self._inner, name)
