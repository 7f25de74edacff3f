# SPDX-License-Identifier: Apache-2.0
"""The connections of a session: how many are kept open, and how slow a response may be."""

import http.client
import io
import socket
import time
from typing import Any

import requests
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_KEPT_OPEN = 64  # connections to one host; more threads than that would make new ones
_PATIENCE = 300.0  # seconds that may be spent waiting for the bytes of a response after its first
_SLOWEST = 1024.0  # bytes a second that extend that time


def prepare_pools(session: requests.Session) -> None:
    """Let a session keep a connection for each thread, and give up responses that trickle.

    requests' own 10 connections serve 16 threads badly. The session's adapters stay: they have its
    TLS settings, and other threads may be using them.
    """
    for adapter in session.adapters.values():
        if isinstance(adapter, requests.adapters.HTTPAdapter):
            for pools in (adapter.poolmanager, *list(adapter.proxy_manager.values())):
                pools.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
                pools.connection_pool_kw["maxsize"] = _KEPT_OPEN
            # For proxies that have not been used yet.
            adapter._pool_maxsize = _KEPT_OPEN  # type: ignore[attr-defined] # noqa: SLF001


class _PacedReader(io.RawIOBase):
    """Reads from a socket, and ends a response that a read timeout alone would let trickle."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._received = 0
        self._waited = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401
        started = time.monotonic()
        count: int | None = self._raw.readinto(buffer)
        if self._received:
            self._waited += time.monotonic() - started
        self._received += count or 0
        if self._waited > _PATIENCE + self._received / _SLOWEST:
            raise TimeoutError("the response arrives too slowly")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_PacedReader(self.fp.detach()))


class _Connection(HTTPConnection):
    response_class = _Response


class _TlsConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection
