# SPDX-License-Identifier: Apache-2.0
"""Requests to one service's endpoint: with retries, token renewal, limits and timeouts.

keystoneauth's and openstacksdk's own retries are off here: they would resend a body that is
already consumed, and a POST that has taken effect. Tokens, the catalog, TLS and proxies are
left to keystoneauth. No redirect is followed, so no token leaves the catalog's host.
"""

import contextlib
import copy
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Self, TypeVar

import requests
from keystoneauth1 import adapter as ksa
from keystoneauth1 import exceptions as ksa_exceptions
from keystoneauth1.identity.base import BaseIdentityPlugin

from rackspace_imagetasks.exceptions import ImageTasksError, ServiceError
from rackspace_imagetasks.http._errors import (
    NO_RESPONSE,
    innermost,
    is_transient,
    is_unsent,
    reason,
)
from rackspace_imagetasks.http._repeat import Repeater
from rackspace_imagetasks.http._request import (
    LoginFailedError,
    RefusedTokenError,
    Request,
    RequestBody,
    TransientError,
    WatchedBody,
)
from rackspace_imagetasks.http._waits import Wait
from rackspace_imagetasks.http.answers import Answer, Stream, read_short
from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.http.login import PatientSession, login_failure
from rackspace_imagetasks.http.notices import Notices, Notify
from rackspace_imagetasks.http.retry import TRANSIENT_STATUSES, RetryPolicy
from rackspace_imagetasks.http.words import NO_PLACE, ServiceWords, said_in

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
    :param retry: the number of attempts, and the timeouts.
    :param notify: called with a message during a long wait, or if the service cannot be reached.
    :param api_root: returns the URL that paths are relative to for the endpoint in the catalog
        or in the settings.
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
        self.words = words
        self.retry = retry
        self.cancellation = cancellation
        self._notices = Notices(notify)
        self._session = adapter.session
        self._adapter = ksa.Adapter(
            PatientSession(self._session, self._repeater),
            client_name="rackspace-imagetasks",
            **endpoint,
        )
        self._api_root = api_root
        self._located = ""
        self._renewal = threading.Lock()

    def until(self, abort: threading.Event) -> Self:
        """Return the same client with waits that end when `abort` is set."""
        other = copy.copy(self)
        other.cancellation = Cancellation(self.cancellation.sleep, abort)
        other._adapter = copy.copy(self._adapter)  # noqa: SLF001
        other._adapter.session = PatientSession(self._session, other._repeater)  # noqa: SLF001
        return other

    def with_retry(self, retry: RetryPolicy) -> Self:
        """Return the same client with another retry policy."""
        other = copy.copy(self)
        other.retry = retry
        return other

    def worded(self, words: ServiceWords) -> Self:
        """Return the same client with another wording."""
        other = copy.copy(self)
        other.words = words
        return other

    def endpoint(self) -> str:
        """Return the URL that paths are relative to, after logging in if necessary.

        :raises NotFound: if the catalog has no such service in the region.
        :raises AccessDenied, ServiceError: if the login fails.
        """
        request = Request("", "", f"find the {self.words.name}'s endpoint")
        endpoint = self._repeat(request, lambda: self._logged_in(self._endpoint))
        if "%(" not in endpoint:
            return endpoint.replace("%%", "%")
        project = self.project_id()
        return endpoint % {"project_id": project, "tenant_id": project}

    def project_id(self) -> str:
        """Return the ID of the project that the token is for, after logging in if necessary.

        :raises AccessDenied, ServiceError: if the login fails.
        """
        request = Request("", "", "log in")
        project_id = self._repeat(request, lambda: self._logged_in(self._adapter.get_project_id))
        return str(project_id)

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
        """Send a request, retry it after transient failures, and return the final response.

        The request must be safe to repeat.

        :param action: what is done, to complete "Cannot ...", such as `read 'images/a'`.
        :param accept: statuses from 300 that the caller handles.
        :param probe: a path to request with HEAD if the connection breaks while the body is
            sent: a refusal may have been lost with it.
        :raises AccessDenied: for 403, or for 401 even with a new token.
        :raises NotFound: for 404.
        :raises ServiceError: for any other final response, or if there is none after all
            attempts; or the class that the service's words define for a status.
        """
        request = Request(method, path, action, body, headers or {}, params or {}, accept, probe)
        return self._settle(request)

    def send_once(self, path: str, action: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """POST a request that is not idempotent.

        It is sent again only if it certainly had no effect: the service did not receive it, or
        returned 429.

        :raises AccessDenied, NotFound, ServiceError: as `request`; after a ServiceError with a
            status from 500, or without one, the request may have taken effect.
        """
        return self._settle(Request("POST", path, action, body, headers, once=True))

    def open(
        self, path: str, action: str, headers: Mapping[str, str], accept: frozenset[int]
    ) -> Stream:
        """GET a path until there is a final response; the caller reads and closes it.

        :raises AccessDenied, NotFound, ServiceError: as `request`.
        """
        request = Request("GET", path, action, None, headers, {}, accept, streamed=True)
        response, _ = self._repeat(request, lambda: self._exchange(request))
        return Stream(response, lambda: self._waiting(request, "data"))

    def put_once(
        self, path: str, action: str, body: RequestBody, headers: Mapping[str, str]
    ) -> Answer:
        """PUT data that the caller sends again after a failure, once it knows the effect.

        As with `send_once`, it is sent again here only if the service did not receive it.

        :raises AccessDenied, NotFound, ServiceError: as `send_once`.
        """
        return self._settle(Request("PUT", path, action, body, headers, once=True))

    def rooted(self, api_root: Callable[[str], str]) -> Self:
        """Return the same client with paths that are relative to another URL of the endpoint."""
        other = copy.copy(self)
        other._api_root = api_root  # noqa: SLF001
        return other

    def _settle(self, request: Request) -> Answer:
        response, content = self._repeat(request, lambda: self._exchange(request))
        return Answer(
            response.status_code, response.headers, content, self.words.service, request.action
        )

    def pause(self, problem: str, attempt: int) -> None:
        """Wait before another attempt at something that takes several requests.

        :param problem: the sentence that says why.
        :param attempt: the number of the attempt that failed.
        :raises Cancelled: as soon as the work is cancelled.
        """
        self._repeater.pause(problem, attempt)

    @property
    def _repeater(self) -> Repeater:
        return Repeater(self.retry, self.cancellation, self._notices)

    def _repeat(self, request: Request, act: Callable[[], Result]) -> Result:
        """Return the result of an act that is repeated while its failure is transient."""
        handled = sys.exception()

        def attempt() -> Result:
            try:
                return self._with_good_token(act)
            except LoginFailedError as failed:
                raise self._login_failure(request, failed.error, handled) from failed.error
            except NO_RESPONSE as error:
                raise self._no_response(request, error, handled) from error

        return self._repeater.run(attempt)

    def _with_good_token(self, act: Callable[[], Result]) -> Result:
        """Return the result of an act that is repeated once if the token is rejected."""
        try:
            return act()
        except RefusedTokenError as refused:
            if not self._renew(refused.token):
                raise refused.failure from None
        try:
            return act()
        except RefusedTokenError as refused:
            raise refused.failure from None

    def _exchange(self, request: Request) -> tuple[requests.Response, bytes]:
        """Send a request once and read the response.

        :raises TransientError: if it is worth sending again.
        :raises RefusedTokenError: if a new token may help.
        """
        with self._waiting(request) as wait:
            response = self._send(request, wait)
            status = response.status_code
            if request.streamed and status < 300:
                return response, b""
            content = read_short(
                response,
                self.words.service,
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

    def _waiting(
        self, request: Request, missing: str = "a response"
    ) -> contextlib.AbstractContextManager[Wait | None]:
        """Return a wait that is reported if it takes long."""
        name = self.words.service
        return self._notices.waiting(
            f"{missing} from the {name}", name, request.action, lambda: self._located
        )

    def _send(self, request: Request, wait: Wait | None = None) -> requests.Response:
        endpoint = self._logged_in(self._endpoint)
        self._logged_in(self._adapter.get_token)
        body = request.body
        if wait and body is not None and not isinstance(body, bytes):
            body = WatchedBody(body, wait, f"a response from the {self.words.service}")
        return self._adapter.request(
            request.path,
            request.method,
            endpoint_override=endpoint,
            data=body if body is None or len(body) else b"",  # no length would mean chunked
            headers={"Accept-Encoding": "identity", **request.headers},
            params=dict(request.params),
            timeout=(self.retry.connect_timeout, self.retry.read_timeout),
            stream=True,
            redirect=False,
            raise_exc=False,
            allow_reauth=False,
            connect_retries=0,
            log=False,  # it would read the whole body of a response
        )

    def _endpoint(self) -> str:
        """Return the API's root as a keystoneauth override, in which `%` is special."""
        endpoint = self._adapter.endpoint_override
        if not endpoint:
            found = self._adapter.get_endpoint(skip_discovery=True)
            if not found:
                raise ksa_exceptions.EndpointNotFound
            endpoint = found.replace("%", "%%")
        self._located = self._api_root(endpoint)
        return self._located

    def _logged_in(self, act: Callable[[], Result]) -> Result:
        """Return the result of an act that sends nothing but, if necessary, a login.

        :raises LoginFailedError: if the login fails.
        """
        try:
            return act()
        except NO_RESPONSE as error:
            raise LoginFailedError(error) from error

    def _renew(self, refused: str | None) -> bool:
        """Get another token, unless another thread has done so since; False if there is none."""
        with self._renewal:
            try:
                if self._adapter.get_token() != refused:
                    return True
            except NO_RESPONSE:
                return True  # the next request meets it again
            return self._adapter.invalidate()

    def _refusal(
        self, request: Request, response: requests.Response, content: bytes
    ) -> ImageTasksError:
        said = said_in(content, response.headers.get("Content-Type", ""))
        status = response.status_code
        is_place_missing = status == 404 and request.method == "PUT"
        meaning = self.words.meanings.get(status, NO_PLACE) if is_place_missing else None
        return self.words.refusal(request.action, status, response.reason or "", said, meaning)

    def _no_response(
        self, request: Request, error: Exception, handled: BaseException | None
    ) -> Exception:
        """Return the failure of a request without a response, as a transient one if it is that."""
        text = f"Cannot {request.action}: the {self.words.service} did not respond"
        text += f": {reason(error, handled)}."
        if request.uploads and not isinstance(innermost(error, handled), TimeoutError):
            text = f"{text} {self.words.refused_upload}".rstrip()
        failure = ServiceError(text)
        unsent = is_unsent(error, handled)
        if not is_transient(error) or (request.once and not unsent):
            return failure
        if request.uploads and request.probe is not None:
            self._look_for_refusal(replace(request, path=request.probe))
        return TransientError(failure, endpoint=self._located.replace("%%", "%") if unsent else "")

    def _login_failure(
        self, request: Request, error: Exception, handled: BaseException | None
    ) -> Exception:
        if isinstance(error, ksa_exceptions.EndpointNotFound | ksa_exceptions.EmptyCatalog):
            return self.words.absent(self._regions())
        auth = self._adapter.auth or self._adapter.session.auth
        auth_url = str(getattr(auth, "auth_url", ""))
        return login_failure(request.action, error, handled, auth_url, self.words.place)

    def _regions(self) -> list[str]:
        """Return the regions in which the catalog has the service."""
        auth = self._adapter.auth or self._adapter.session.auth
        if not isinstance(auth, BaseIdentityPlugin):
            return []
        catalog = auth.get_access(self._session).service_catalog
        found = catalog.get_endpoints_data(self._adapter.service_type, self._adapter.interface)
        regions = (each.region_name for endpoints in found.values() for each in endpoints)
        return sorted({region for region in regions if region})

    def _look_for_refusal(self, request: Request) -> None:
        """Ask why a connection broke: perhaps the service refused, and did not wait for the body.

        Without TLS its response can usually still be read; with TLS never.
        """
        head = replace(request, method="HEAD", body=None, params={}, headers={})
        try:
            with self._waiting(head):
                response = self._send(head)
            response.close()
        except (LoginFailedError, *NO_RESPONSE):
            return
        if response.status_code == 401:
            self._renew(response.request.headers.get("X-Auth-Token"))
        elif response.status_code in (403, 404):
            raise self._refusal(request, response, b"")
