# SPDX-License-Identifier: Apache-2.0
"""A temporary URL of an object, with which another service can read it without a token.

The key is one of the account: a key of a container does not open segments in another container.
See "Temporary URL middleware" in the Object Store API.
"""

import contextlib
import hashlib
import hmac
import secrets
import threading
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime

from rackspace_imagetasks.exceptions import ImageTasksError
from rackspace_imagetasks.http.client import Client
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.progress import SILENT, Progress

_DIGESTS = ("sha512", "sha256", "sha1")  # the strongest first; a service may not accept the last
_KEYS = ("X-Account-Meta-Temp-URL-Key", "X-Account-Meta-Temp-URL-Key-2")
_OWN_KEY = _KEYS[1]
_OWN_PREFIX = "image-tasks-"  # of the keys that this package sets
_REMOVED_KEY = "X-Remove-Account-Meta-Temp-URL-Key-2"


class SecretUrl:
    """A URL that opens something to everyone who knows it, so it is not shown by accident."""

    __slots__ = ("_url",)

    def __init__(self, url: str) -> None:
        self._url = url

    def reveal(self) -> str:
        """Return the URL."""
        return self._url

    def __repr__(self) -> str:
        return "<secret URL>"

    def __reduce__(self) -> str:
        raise TypeError("a secret URL cannot be serialized")


def tempurl_digest(store: ObjectStore) -> str | None:
    """Return the strongest digest for temporary URLs; None if the service has no such URLs.

    :raises ServiceError: if the service does not describe itself as it should.
    """
    client = store.client.rooted(_service_root)
    accept = frozenset({401, 403, 404})
    answer = client.request("GET", "info", "read the service's capabilities", accept=accept)
    if answer.status >= 300:
        return None
    described = answer.json_object().get("tempurl")
    if not isinstance(described, dict):
        return None
    # Services that list none are older than the list, and have SHA-1 alone.
    allowed = described.get("allowed_digests", ["sha1"])
    if not isinstance(allowed, list):
        raise answer.unusable("does not list digests")
    return next((digest for digest in _DIGESTS if digest in allowed), None)


class AccountKey:
    """The key with which temporary URLs of one account are signed; safe to use from threads.

    A key that was set for one URL is removed only when no other URL needs it. The key that a killed
    process has left is known by its prefix, and removed as well.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._own = ""

    @contextlib.contextmanager
    def in_use(self, client: Client, progress: Progress) -> Iterator[tuple[str, int]]:
        """Yield a key that exists while the context lasts, and the time of the service."""
        with self._lock:
            self._users += 1
        try:
            with self._lock:
                answer = client.request("HEAD", "", "read the account's keys")
                first, second = (answer.headers.get(name, "") for name in _KEYS)
                if second.startswith(_OWN_PREFIX):
                    self._own = second
                key = first or second or self._set(client)
            yield key, _time_of(answer.headers)
        finally:
            with self._lock:
                self._users -= 1
                if self._own and not self._users:
                    _remove_key(client.until(threading.Event()), self._own, progress)
                    self._own = ""

    def remove_left(self, client: Client, progress: Progress) -> None:
        """Remove the key that a killed process has left, unless a URL of this process needs it."""
        with self._lock:
            if not self._users:
                _remove_key(client, _OWN_PREFIX, progress)

    def _set(self, client: Client) -> str:
        self._own = _OWN_PREFIX + secrets.token_hex(32)
        client.request("POST", "", "set a key of the account", headers={_OWN_KEY: self._own})
        return self._own


@contextlib.contextmanager
def temporary_url(
    store: ObjectStore,
    name: ObjectName,
    digest: str,
    *,
    lifetime: int = 3600,
    progress: Progress = SILENT,
    account_key: AccountKey | None = None,
) -> Iterator[SecretUrl]:
    """Yield a URL with which an object can be read for a while, or until the context ends.

    A key that the account has is used. If it has none, its second key is set, and removed when the
    context ends, however it ends; if the process is killed, the next context removes the key. Enter
    the context in the thread that signals interrupt: a process does not wait for other threads.

    :param digest: what `tempurl_digest` returned.
    :param lifetime: seconds by the clock of the service.
    :param progress: told if the key cannot be removed.
    :param account_key: shared by URLs that are needed at the same time.
    :raises AccessDenied, ServiceError: if the key can be neither read nor set.
    """
    shared = account_key or AccountKey()
    with shared.in_use(store.client, progress) as (key, now):
        endpoint = urllib.parse.urlsplit(store.endpoint())
        path = f"{urllib.parse.unquote(endpoint.path).rstrip('/')}/{name}"
        signature = sign(path, now + lifetime, key, digest)
        query = urllib.parse.urlencode(
            {"temp_url_sig": signature, "temp_url_expires": str(now + lifetime)}
        )
        url = endpoint._replace(path=urllib.parse.quote(path), query=query)
        yield SecretUrl(urllib.parse.urlunsplit(url))


def sign(path: str, expires: int, key: str, digest: str) -> str:
    """Return the signature with which a path can be read until a time.

    :param path: the path of the object's URL, not quoted.
    :param expires: seconds since 1970.
    """
    text = f"GET\n{expires}\n{path}".encode()
    return hmac.new(key.encode(), text, getattr(hashlib, digest)).hexdigest()


def _remove_key(client: Client, start: str, progress: Progress) -> None:
    """Remove the account's second key if it begins so: somebody else may have set another one.

    The client must not be cancelled: the key is removed because the work has been cancelled.
    """
    try:
        answer = client.request("HEAD", "", "read the account's keys")
        if answer.headers.get(_OWN_KEY, "").startswith(start):
            headers = {_REMOVED_KEY: "x"}
            client.request("POST", "", "remove the key of the account", headers=headers)
    except ImageTasksError as error:
        progress.message(f"The second key of the account for temporary URLs remains: {error}")


def _time_of(headers: Mapping[str, str]) -> int:
    """Return the time by the clock of the service, or of this machine if it does not say."""
    try:
        return int(parsedate_to_datetime(headers["Date"]).timestamp())
    except (KeyError, ValueError):
        return int(time.time())


def _service_root(endpoint: str) -> str:
    """Return the URL of the service for that of an account: what is before the version."""
    url = urllib.parse.urlsplit(endpoint)
    return urllib.parse.urlunsplit(url._replace(path=url.path.partition("/v1")[0]))
