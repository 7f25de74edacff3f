# SPDX-License-Identifier: Apache-2.0
"""Requests to one service's endpoint: every one with retries, token renewal, limits and time-outs.

keystoneauth's and openstacksdk's own retries are off here: they would send a body again that is
already consumed, and a POST that has had its effect. Tokens, the catalog, TLS and proxies remain
keystoneauth's part. No redirect is followed, so no token leaves the catalog's host.
"""

import contextlib
import copy
import itertools
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Self, TypeVar

import requests
from keystoneauth1 import adapter as ksa
from keystoneauth1 import exceptions as ksa_exceptions

from rackspace_imagetasks.exceptions import AccessDenied, ImageTasksError, ServiceError
from rackspace_imagetasks.http._pools import prepare_pools
from rackspace_imagetasks.http._request import (
    RefusedTokenError,
    Request,
    RequestBody,
    TransientError,
)
from rackspace_imagetasks.http.answers import Answer, Stream, read_short
from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.http.errors import NO_ANSWER, innermost, is_transient, is_unsent, reason
from rackspace_imagetasks.http.login import BAD_LOGIN
from rackspace_imagetasks.http.notices import Notices, Notify
from rackspace_imagetasks.http.retry import TRANSIENT_STATUSES, RetryPolicy, backoff
from rackspace_imagetasks.http.words import ServiceWords, said_in

_ENDPOINT = (
    "service_type", "service_name", "interface", "region_name", "endpoint_override", "auth",
    "global_request_id",
)  # fmt: skip
_TOO_MANY_REQUESTS = 429

Result = TypeVar("Result")


class Client:
    """Sends requests to one service in one region; safe to use from threads.

    :param adapter: a keystoneauth adapter of the service, such as openstacksdk makes.
    :param words: how the service is named, and what its refusals mean.
    :param retry: how patient to be.
    :param notify: called with a message when a wait is long or the service cannot be reached.
    :param api_root: returns the URL that paths are relative to for the endpoint that the catalog,
        or a setting, names.
    """

    def __init__(
        self,
        adapter: ksa.Adapter,
        words: ServiceWords,
        *,
        retry: RetryPolicy,
        cancellation: Cancellation,
        notify: Notify | None = None,
        api_root: Callable[[str], str] = str,
    ) -> None:
        # A plain adapter to the same endpoint: openstacksdk's own one retries and caches.
        endpoint = {key: getattr(adapter, key, None) for key in _ENDPOINT}
        self._adapter = ksa.Adapter(adapter.session, client_name="rackspace-imagetasks", **endpoint)
        prepare_pools(adapter.session.session)
        self.words = words
        self.retry = retry
        self.cancellation = cancellation
        self._notices = Notices(notify)
        self._api_root = api_root
        self._located = ""
        self._renewal = threading.Lock()

    def until(self, abort: threading.Event) -> Self:
        """Return the same client with waits that end when `abort` is set."""
        other = copy.copy(self)
        other.cancellation = Cancellation(self.cancellation.sleep, abort)
        return other

    def with_retry(self, retry: RetryPolicy) -> Self:
        """Return the same client with another retry policy."""
        other = copy.copy(self)
        other.retry = retry
        return other

    def worded(self, words: ServiceWords) -> Self:
        """Return the same client with other words."""
        other = copy.copy(self)
        other.words = words
        return other

    def endpoint(self) -> str:
        """Return the URL that paths are relative to, after logging in if need be.

        :raises NotFound: if the catalog has no such service in the region.
        :raises AccessDenied, ServiceError: if the login fails.
        """
        request = Request("", "", f"find the {self.words.name}'s endpoint")
        endpoint = self._repeat(request, self._endpoint)
        if "%(" not in endpoint:
            return endpoint.replace("%%", "%")
        project = self.project_id()
        return endpoint % {"project_id": project, "tenant_id": project}

    def project_id(self) -> str:
        """Return the ID of the project that the token is for, after logging in if need be.

        :raises AccessDenied, ServiceError: if the login fails.
        """
        session = self._adapter.session
        request = Request("", "", "log in")
        return self._repeat(request, lambda: str(session.get_project_id(self._adapter.auth)))

    def request(
        self,
        method: str,
        path: str,
        action: str,
        *,
        body: RequestBody | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        accept: frozenset[int] = frozenset(),
        probe: str | None = None,
    ) -> Answer:
        """Send a request, again after transient failures, and read the final answer.

        The request must be safe to repeat.

        :param action: what is done, to complete "Cannot ...", such as `read 'images/a'`.
        :param accept: statuses from 300 that the caller deals with.
        :param probe: a path to look at with HEAD when the connection breaks while the body is
            sent: a refusal may have been lost with it.
        :raises AccessDenied: 401, with a new token, too, or 403.
        :raises NotFound: 404.
        :raises ServiceError: any other final answer, or none, after all attempts; or the class
            that the service's words give a status.
        """
        request = Request(method, path, action, body, headers or {}, params or {}, accept, probe)
        return self._settle(request)

    def send_once(self, path: str, action: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """POST a request that must not have its effect twice.

        It is sent again only where it is certain that it had no effect: nobody received it, or the
        answer is 429.

        :raises AccessDenied, NotFound, ServiceError: as `request`; a ServiceError with a status
            from 500, or none, leaves open whether the request had its effect.
        """
        return self._settle(Request("POST", path, action, body, headers, once=True))

    def open(
        self, path: str, action: str, headers: Mapping[str, str], accept: frozenset[int]
    ) -> Stream:
        """GET a path until there is a final answer; the caller reads and closes it.

        :raises AccessDenied, NotFound, ServiceError: as `request`.
        """
        request = Request("GET", path, action, None, headers, {}, accept, streamed=True)
        response, _ = self._repeat(request, lambda: self._exchange(request))
        return Stream(response)

    def _settle(self, request: Request) -> Answer:
        response, content = self._repeat(request, lambda: self._exchange(request))
        return Answer(
            response.status_code, response.headers, content, self.words.name, request.action
        )

    def _repeat(self, request: Request, act: Callable[[], Result]) -> Result:
        """Return the result of an act that is done again while its failure is transient."""
        handled = sys.exception()
        renewed = False
        for attempt in itertools.count(1):
            self.cancellation.check()
            try:
                try:
                    return act()
                except NO_ANSWER as error:
                    raise self._no_answer(request, error, handled) from error
            except RefusedTokenError as refused:
                if renewed or not self._renew(refused.token):
                    raise refused.failure from None
                renewed = True
            except TransientError as transient:
                if attempt >= self.retry.attempts:
                    raise transient.failure from transient.__cause__
                self._wait(transient, attempt)
        raise AssertionError("unreachable")

    def _wait(self, transient: TransientError, attempt: int) -> None:
        delay = backoff(attempt, transient.retry_after)
        self._notices.retrying(
            str(transient.failure),
            self._address() if transient.unreachable else "",
            delay,
            transient.retry_after,
            first=attempt == 1,
        )
        self.cancellation.wait(delay)

    def _exchange(self, request: Request) -> tuple[requests.Response, bytes]:
        """Send a request once and read the answer.

        :raises TransientError: if it is worth sending again.
        :raises RefusedTokenError: if a new token may help.
        """
        with self._waiting(request):
            response = self._send(request)
            status = response.status_code
            if request.streamed and status < 300:
                return response, b""
            content = read_short(
                response,
                self.words.name,
                request.action,
                timeout=self.retry.answer_timeout,
                size=self.retry.answer_size,
            )
        if status < 300 or status in request.accept:
            return response, content
        failure = self._refusal(request, response, content)
        if status == 401:
            raise RefusedTokenError(failure, response.request.headers.get("X-Auth-Token"))
        if status in TRANSIENT_STATUSES and (not request.once or status == _TOO_MANY_REQUESTS):
            raise TransientError(failure, response.headers.get("Retry-After"))
        raise failure

    def _waiting(self, request: Request) -> contextlib.AbstractContextManager[None]:
        """Say so when an answer takes long, unless data is moved, whose progress is shown."""
        if request.uploads or request.streamed:
            return contextlib.nullcontext()
        return self._notices.waiting(self.words.name, request.action)

    def _send(self, request: Request) -> requests.Response:
        body = request.body
        return self._adapter.request(
            request.path,
            request.method,
            endpoint_override=self._endpoint(),
            data=body if body is None or len(body) else b"",  # no length would mean chunked
            headers={"Accept-Encoding": "identity", **request.headers},
            params=dict(request.params),
            timeout=(self.retry.connect_timeout, self.retry.read_timeout),
            stream=True,
            redirect=False,
            raise_exc=False,
            allow_reauth=False,
            connect_retries=0,
            log=False,  # it would read the whole body of an answer
        )

    def _endpoint(self) -> str:
        """Return the API's root as a keystoneauth override, in which `%` has a meaning."""
        endpoint = self._adapter.endpoint_override
        if not endpoint:
            found = self._adapter.get_endpoint(skip_discovery=True)
            if not found:
                raise ksa_exceptions.EndpointNotFound
            endpoint = found.replace("%", "%%")
        self._located = self._api_root(endpoint)
        return self._located

    def _address(self) -> str:
        """Return who does not answer: the service or, while that is unknown, the identity one."""
        auth = self._adapter.auth or self._adapter.session.auth
        return self._located.replace("%%", "%") or str(getattr(auth, "auth_url", ""))

    def _renew(self, refused: str | None) -> bool:
        """Get another token, unless another thread has done so since; False if there is none."""
        with self._renewal:
            try:
                if self._adapter.get_token() != refused:
                    return True
            except ksa_exceptions.ClientException:
                return True  # the next request meets it again
            return self._adapter.invalidate()

    def _refusal(
        self, request: Request, response: requests.Response, content: bytes
    ) -> ImageTasksError:
        said = said_in(content, response.headers.get("Content-Type", ""))
        return self.words.refusal(request.action, response.status_code, response.reason or "", said)

    def _no_answer(
        self, request: Request, error: Exception, handled: BaseException | None
    ) -> Exception:
        """Return the failure of a request without an answer, as a transient one if it is that."""
        failure = self._failure(request, error, handled)
        unsent = is_unsent(error, handled)
        refused_login = isinstance(error, ksa_exceptions.HttpError)  # so nothing was sent
        if not is_transient(error) or (request.once and not (unsent or refused_login)):
            return failure
        if request.uploads and request.probe is not None:
            self._look_for_refusal(replace(request, path=request.probe))
        return TransientError(failure, unreachable=unsent)

    def _failure(
        self, request: Request, error: Exception, handled: BaseException | None
    ) -> ImageTasksError:
        if isinstance(error, ksa_exceptions.EndpointNotFound | ksa_exceptions.EmptyCatalog):
            return self.words.absent()
        if isinstance(error, ksa_exceptions.Unauthorized | ksa_exceptions.BadRequest):
            return AccessDenied(BAD_LOGIN)
        text = f"Cannot {request.action}: no answer from the {self.words.name}"
        text += f": {reason(error, handled)}."
        if isinstance(error, ksa_exceptions.AuthorizationFailure):
            return AccessDenied(text)
        if request.uploads and not isinstance(innermost(error, handled), TimeoutError):
            text = f"{text} {self.words.refused_upload}".rstrip()
        return ServiceError(text)

    def _look_for_refusal(self, request: Request) -> None:
        """Ask why a connection broke: perhaps the service refused, and did not wait for the body.

        Without TLS its answer can mostly still be read; with TLS never.
        """
        try:
            response = self._send(replace(request, method="HEAD", body=None, params={}, headers={}))
            response.close()
        except NO_ANSWER:
            return
        if response.status_code == 401:
            self._renew(response.request.headers.get("X-Auth-Token"))
        elif response.status_code in (403, 404):
            raise self._refusal(request, response, b"")
