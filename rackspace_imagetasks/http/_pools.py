# SPDX-License-Identifier: Apache-2.0
"""The connections of a session: how many are kept open, and how slow a response may be.

While one is being made, the wait of its thread knows.
"""

import functools
import http.client
import io
import socket
import time
from collections.abc import Mapping
from typing import Any

import requests
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.poolmanager import PoolManager

from rackspace_imagetasks.http._waits import connecting

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
            _prepare(adapter.poolmanager)
            if not isinstance(adapter.proxy_manager, _ProxyManagers):
                adapter.proxy_manager = _ProxyManagers(adapter.proxy_manager)
            # requests makes the manager of a proxy with it.
            adapter._pool_maxsize = _KEPT_OPEN  # type: ignore[attr-defined] # noqa: SLF001


def _prepare(manager: PoolManager) -> None:
    classes = {scheme: _paced(pool) for scheme, pool in manager.pool_classes_by_scheme.items()}
    if classes == manager.pool_classes_by_scheme:
        return
    manager.pool_classes_by_scheme = classes
    manager.connection_pool_kw["maxsize"] = _KEPT_OPEN
    # A pool for the same host may exist, such as that of the login. Its running requests end well.
    manager.clear()


class _ProxyManagers(dict[str, PoolManager]):
    """The managers of proxies by their URLs; requests adds one when a proxy is first used."""

    def __init__(self, managers: Mapping[str, PoolManager]) -> None:
        super().__init__()
        for proxy, manager in managers.items():
            self[proxy] = manager

    def __setitem__(self, proxy: str, manager: PoolManager) -> None:
        _prepare(manager)
        super().__setitem__(proxy, manager)


@functools.cache
def _paced(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    """Return a class of pools whose responses must not trickle; a SOCKS proxy has its own ones."""
    connection = pool.ConnectionCls
    if getattr(connection, "response_class", None) is _Response:
        return pool

    def connect(self: HTTPConnection) -> None:
        with connecting():
            connection.connect(self)

    own = {"response_class": _Response, "connect": connect}
    paced = type(connection.__name__, (connection,), own)
    return type(pool.__name__, (pool,), {"ConnectionCls": paced})


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
