# SPDX-License-Identifier: Apache-2.0
"""One account's endpoint over keystoneauth: every request with retries, renewal and time-outs.

keystoneauth's own retries send a body again that is already consumed, so they are off here; what
it does well stays its part: tokens, the catalog, TLS and proxies.
"""

import copy
import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import requests
import urllib3
from keystoneauth1 import adapter as ksa
from keystoneauth1 import exceptions as ksa_exceptions

from rackspace_imagetasks.exceptions import (
    AccessDenied,
    ImageTasksError,
    NotFound,
    QuotaExceeded,
    ServiceError,
)
from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.http.retry import RETRIED_STATUSES, backoff
from rackspace_imagetasks.objects.body import Body
from rackspace_imagetasks.text import format_size, printable

_ENDPOINT = (
    "service_type", "service_name", "interface", "region_name", "endpoint_override", "version",
    "min_version", "max_version", "allow_version_hack", "auth", "global_request_id",
)  # fmt: skip
_KEPT_OPEN = 64  # connections to one host; more threads than that would make new ones
_LARGEST_ANSWER = 64 * 1024**2
DROPPED = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
_NO_ANSWER = (ksa_exceptions.ClientException, *DROPPED)


class Answer(NamedTuple):
    """A short answer that was read."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self, action: str) -> Any:  # noqa: ANN401
        """Return what it says in JSON.

        :raises ServiceError: when it is none.
        """
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError) as error:
            raise ServiceError(
                f"Cannot {action}: the answer is not JSON: {printable(self.content[:80])}.",
                status=self.status,
            ) from error


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    action: str
    body: Body | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    accept: frozenset[int] = frozenset()
    streamed: bool = False


class Connection:
    """Sends requests to one account in one region.

    :param adapter: a keystoneauth adapter of the object store, such as openstacksdk's
        `Connection.object_store`.
    :param retries: how often a request is sent again, at most.
    :param connect_timeout: seconds, also for one chunk to leave.
    :param read_timeout: seconds until the next byte of an answer.
    """

    def __init__(
        self,
        adapter: ksa.Adapter,
        *,
        retries: int,
        connect_timeout: float,
        read_timeout: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        # A plain adapter to the same endpoint: openstacksdk's own one retries and caches.
        endpoint = {key: getattr(adapter, key, None) for key in _ENDPOINT}
        self._adapter = ksa.Adapter(adapter.session, client_name="rackspace-imagetasks", **endpoint)
        _widen_pools(adapter.session.session)
        self._retries = retries
        self._timeout = (connect_timeout, read_timeout)
        self._renewal = threading.Lock()
        self.cancellation = Cancellation(sleep)

    def until(self, abort: threading.Event) -> Self:
        """Return the same connection, whose waits end when `abort` is set."""
        other = copy.copy(self)
        other.cancellation = Cancellation(self.cancellation.sleep, abort)
        return other

    def request(
        self,
        method: str,
        path: str,
        action: str,
        *,
        body: Body | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        accept: frozenset[int] = frozenset(),
    ) -> Answer:
        """Send until there is a final answer, and read it.

        :param action: what is done, to complete "Cannot ...", such as `read 'images/a'`.
        :param accept: statuses from 300 that the caller deals with.
        :raises AccessDenied: 401 with a new token, too, or 403.
        :raises NotFound: 404.
        :raises QuotaExceeded: 413, 507.
        :raises ServiceError: any other final answer, or none, after all retries.
        """
        response, content = self._settle(
            _Request(method, path, action, body, headers or {}, params or {}, accept, False)
        )
        return Answer(response.status_code, response.headers, content)

    def open(
        self, path: str, action: str, headers: Mapping[str, str], accept: frozenset[int]
    ) -> requests.Response:
        """GET until there is a final answer, and leave it to the caller to read and close."""
        response, _ = self._settle(_Request("GET", path, action, None, headers, {}, accept, True))
        return response

    def _settle(self, request: _Request) -> tuple[requests.Response, bytes]:
        renewed = False
        for attempt in itertools.count(1):
            self.cancellation.check()
            try:
                response, content = self._exchange(request)
            except _TransientError as transient:
                if attempt > self._retries:
                    raise transient.failure from transient.__cause__
                self.cancellation.wait(backoff(attempt, transient.retry_after))
                continue
            status = response.status_code
            if status < 300 or status in request.accept:
                return response, content
            if status == 401 and not renewed and self._renew(response):
                renewed = True
                continue
            raise _failure(response, content, request.action)
        raise AssertionError("unreachable")

    def _exchange(self, request: _Request) -> tuple[requests.Response, bytes]:
        """Send once and read the answer.

        :raises _TransientError: when it is worth sending again.
        """
        try:
            response = self._send(request)
            streamed = request.streamed and response.status_code < 300
            content = b"" if streamed else _read(response)
        except _NO_ANSWER as error:
            failure = _no_answer(error, request)
            if not _is_transient(error):
                raise failure from error
            if isinstance(request.body, Body):
                self._look_for_refusal(request)
            raise _TransientError(failure) from error
        if len(content) > _LARGEST_ANSWER:
            raise ServiceError(
                f"Cannot {request.action}: the answer is longer than"
                f" {format_size(_LARGEST_ANSWER)}."
            )
        if response.status_code in RETRIED_STATUSES:
            failure = _failure(response, content, request.action)
            raise _TransientError(failure, response.headers.get("Retry-After"))
        return response, content

    def _send(self, request: _Request) -> requests.Response:
        body = request.body
        return self._adapter.request(
            request.path,
            request.method,
            data=body if body is None or len(body) else b"",  # no length would mean chunked
            headers={"Accept-Encoding": "identity", **request.headers},
            params=dict(request.params),
            timeout=self._timeout,
            stream=True,
            redirect=False,
            raise_exc=False,
            allow_reauth=False,
            connect_retries=0,
            log=False,  # it would read the whole body of an answer
        )

    def _renew(self, refused: requests.Response) -> bool:
        """Get another token, unless another thread has done so since; False if there is none."""
        with self._renewal:
            try:
                if self._adapter.get_token() != refused.request.headers.get("X-Auth-Token"):
                    return True
            except ksa_exceptions.ClientException:
                return True  # the next request meets it again
            return self._adapter.invalidate()

    def _look_for_refusal(self, request: _Request) -> None:
        """Ask why a connection broke: perhaps the service refused, and did not wait for the body.

        Without TLS its answer is mostly still read; with TLS never.
        """
        container = request.path.partition("/")[0]
        try:
            response = self._send(_Request("HEAD", container, request.action))
            response.close()
        except _NO_ANSWER:
            return
        if response.status_code == 401:
            self._renew(response)
        elif response.status_code in (403, 404):
            raise _failure(response, b"", request.action)


def _widen_pools(session: requests.Session) -> None:
    """Let a session keep a connection for each thread; requests' own 10 serve 16 threads badly.

    The session's adapters stay: they have its TLS settings, and other threads may be using them.
    """
    for adapter in session.adapters.values():
        if isinstance(adapter, requests.adapters.HTTPAdapter):
            for pools in (adapter.poolmanager, *list(adapter.proxy_manager.values())):
                pools.connection_pool_kw["maxsize"] = _KEPT_OPEN
            # For proxies that have not been used yet.
            adapter._pool_maxsize = _KEPT_OPEN  # type: ignore[attr-defined] # noqa: SLF001


class _TransientError(Exception):
    """What may go better the next time."""

    def __init__(self, failure: ImageTasksError, retry_after: str | None = None) -> None:
        self.failure = failure
        self.retry_after = retry_after
        super().__init__(str(failure))


def _read(response: requests.Response) -> bytes:
    with response:
        try:
            return bytes(response.raw.read(_LARGEST_ANSWER + 1, decode_content=True))
        except DROPPED:
            if response.status_code >= 300:
                return b""
            raise


def _is_transient(error: Exception) -> bool:
    """Tell a broken or slow connection from an error that stays."""
    if isinstance(error, ksa_exceptions.HttpError):  # Keystone's, for a token
        return error.http_status in RETRIED_STATUSES
    if isinstance(error, ksa_exceptions.SSLError):  # also what a connection cut in TLS gives
        return "CERTIFICATE_VERIFY_FAILED" not in str(error)
    return isinstance(error, (ksa_exceptions.ConnectionError, *DROPPED))


def _no_answer(error: Exception, request: _Request) -> ImageTasksError:
    message = f"Cannot {request.action}: {_reason(error)}."
    if isinstance(error, ksa_exceptions.Unauthorized | ksa_exceptions.AuthorizationFailure):
        return AccessDenied(message)
    if isinstance(error, ksa_exceptions.EndpointNotFound):
        return NotFound(f"Cannot {request.action}: the cloud has no object store in this region.")
    if isinstance(request.body, Body) and not isinstance(_cause(error), TimeoutError):
        message += " The service may have refused the data without waiting for it (a full account)."
    return ServiceError(message)


def _failure(response: requests.Response, content: bytes, action: str) -> ImageTasksError:
    status = response.status_code
    answer = f"the service answered {status} {printable(response.reason or '', 80)}".rstrip()
    if status == 401:
        return AccessDenied(f"Cannot {action}: {answer}; the token is not accepted, log in again.")
    if status == 403:
        return AccessDenied(f"Cannot {action}: {answer}; your role does not allow it.")
    if status == 404:
        return NotFound(f"Cannot {action}: {answer}; it is not there.")
    if status in (413, 507):
        return QuotaExceeded(
            f"Cannot {action}: {answer}; the account or container is full: delete objects or ask"
            " for a higher quota, then run the command again."
        )
    return ServiceError(f"Cannot {action}: {answer}{_details(response, content)}.", status=status)


def _details(response: requests.Response, content: bytes) -> str:
    """Return what a plain-text answer says, such as which segments a manifest lacks."""
    text = " ".join(content[:2000].decode(errors="replace").split())
    if not text or response.headers.get("Content-Type", "").startswith("text/html"):
        return ""
    return f": {printable(text).rstrip('.')}"


def _reason(error: BaseException) -> str:
    """Return the system's own words for what happened, without the layers around them."""
    cause = _cause(error)
    words = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return printable(words).rstrip(". ")


def _cause(error: BaseException) -> BaseException:
    while error.__context__ is not None:
        error = error.__context__
    return error
