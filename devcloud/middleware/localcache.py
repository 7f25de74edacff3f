# SPDX-License-Identifier: Apache-2.0
"""A replacement for memcached, as `swift.cache` in the environment of each request."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class LocalCache:
    """The part of swift.common.memcached.MemcacheRing that is used, for one process.

    Values are converted to JSON and back, as they are with memcached.
    """

    def __init__(self) -> None:
        self._entries: dict[str, tuple[float, str | bytes]] = {}

    def get(self, key: str, raise_on_error: bool = False) -> Any:
        expires, value = self._entries.get(key, (0.0, None))
        if value is None or expires <= time.monotonic():
            self._entries.pop(key, None)
            return None
        return json.loads(value) if isinstance(value, str) else value

    def set(self, key: str, value: Any, time: float = 0, **_options: Any) -> None:
        stored = value if isinstance(value, bytes) else json.dumps(value)
        self._entries[key] = (_expiry(time), stored)

    def add(self, key: str, value: Any, **options: Any) -> bool:
        if self.get(key) is not None:
            return False
        self.set(key, value, **options)
        return True

    def incr(self, key: str, delta: int = 1, time: float = 0) -> int:
        value = max(int(self.get(key) or 0) + int(delta), 0)
        self.set(key, value, time)
        return value

    def decr(self, key: str, delta: int = 1, time: float = 0) -> int:
        return self.incr(key, -int(delta), time)

    def delete(self, key: str, server_key: str | None = None) -> None:
        self._entries.pop(key, None)

    def set_multi(
        self, mapping: Mapping[str, Any], server_key: str, time: float = 0, **_options: Any
    ) -> None:
        for key, value in mapping.items():
            self.set(key, value, time)

    def get_multi(self, keys: Iterable[str], server_key: str) -> list[Any]:
        return [self.get(key) for key in keys]


def _expiry(seconds: float) -> float:
    return time.monotonic() + seconds if seconds > 0 else float("inf")


def filter_factory(
    _global_conf: dict[str, str], **_conf: str
) -> "Callable[[WSGIApplication], WSGIApplication]":
    """Return the filter to which api-paste refers."""
    cache = LocalCache()

    def with_cache(app: "WSGIApplication") -> "WSGIApplication":
        def call(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
            environ["swift.cache"] = cache
            return app(environ, start_response)

        return call

    return with_cache
