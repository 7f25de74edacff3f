# SPDX-License-Identifier: Apache-2.0
"""The connections that a session keeps open."""

import requests

_KEPT_OPEN = 64  # connections to one host; more threads than that would make new ones


def widen_pools(session: requests.Session) -> None:
    """Let a session keep a connection for each thread; requests' own 10 serve 16 threads badly.

    The session's adapters stay: they have its TLS settings, and other threads may be using them.
    """
    for adapter in session.adapters.values():
        if isinstance(adapter, requests.adapters.HTTPAdapter):
            for pools in (adapter.poolmanager, *list(adapter.proxy_manager.values())):
                pools.connection_pool_kw["maxsize"] = _KEPT_OPEN
            # For proxies that have not been used yet.
            adapter._pool_maxsize = _KEPT_OPEN  # type: ignore[attr-defined] # noqa: SLF001
