# SPDX-License-Identifier: Apache-2.0
"""Logins: with the limits and retries of other requests, and failures that name the login.

keystoneauth sends them by itself, without a timeout.
"""

import http
from collections.abc import Callable
from typing import Any, TypeVar

import requests
from keystoneauth1 import exceptions as ksa
from keystoneauth1 import session as ksa_session

from rackspace_imagetasks.exceptions import AccessDenied, ImageTasksError, ServiceError
from rackspace_imagetasks.http._errors import NO_RESPONSE, is_transient, is_unsent, reason
from rackspace_imagetasks.http._pools import prepare_pools
from rackspace_imagetasks.http._repeat import Repeater
from rackspace_imagetasks.http._request import TransientError
from rackspace_imagetasks.http._waits import helping
from rackspace_imagetasks.http.answers import read_short
from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.http.notices import Notices, Notify
from rackspace_imagetasks.http.retry import RetryPolicy

_SERVICE = "identity service"
_ACTION = "log in"
_BAD_LOGIN = (
    "The cloud refused the credentials{}; check the user, key or password in clouds.yaml or the"
    " OS_* variables."
)

Result = TypeVar("Result")


class PatientSession(ksa_session.Session):
    """A session that logs in within limits of size and time, tells if it takes long, and can stop.

    It shares the connections, the login and the settings of the session that it is made from.
    """

    def __init__(self, session: ksa_session.Session, repeater: Repeater) -> None:
        prepare_pools(session.session)
        vars(self).update(vars(session))
        self._session = None  # it would be closed with this object
        self._shared = session
        self._repeater = repeater

    def request(self, url: str, method: str, **options: Any) -> requests.Response:  # type: ignore[override] # noqa: ANN401
        """Send a request of a login. Requests that are streamed have limits of their own."""
        send = super().request
        if options.get("stream"):
            return send(url, method, **options)
        retry = self._repeater.retry
        options.setdefault("timeout", (retry.connect_timeout, self.timeout or retry.read_timeout))
        options["hooks"] = {"response": self._read}
        missing = f"a response from the {_SERVICE}"
        with self._repeater.notices.waiting(missing, _SERVICE, _ACTION, lambda: url) as wait:

            def work() -> requests.Response:
                with helping(wait):
                    return send(url, method, **options)

            return self._repeater.cancellation.run(work)

    def _read(self, response: requests.Response, **_options: object) -> None:
        """Read a response before requests does, which would read one of any size."""
        retry = self._repeater.retry
        response._content = read_short(  # noqa: SLF001
            response, _SERVICE, _ACTION, timeout=retry.answer_timeout, size=retry.answer_size
        )
        response._content_consumed = True  # type: ignore[attr-defined] # noqa: SLF001


class Login:
    """The first login of a program, which nobody has a client for yet.

    :param notify: called with a message during a long wait, or if the service cannot be reached.
    """

    def __init__(self, notify: Notify | None, retry: RetryPolicy | None = None) -> None:
        self._repeater = Repeater(retry or RetryPolicy(), Cancellation(), Notices(notify))

    def session(self, session: ksa_session.Session) -> PatientSession:
        """Return the same session with limits for logins."""
        if isinstance(session, PatientSession):
            return session
        return PatientSession(session, self._repeater)

    def run(self, act: Callable[[], Result]) -> Result:
        """Return the result of an act that logs in, and is repeated after transient failures.

        :raises AccessDenied: if the cloud refuses the credentials.
        :raises ServiceError: if the identity service does not respond.
        """

        def attempt() -> Result:
            try:
                return act()
            except NO_RESPONSE as error:
                raise login_failure(_ACTION, error, None, "") from error

        return self._repeater.run(attempt)


def login_failure(
    action: str, error: Exception, handled: BaseException | None, auth_url: str, place: str = ""
) -> Exception:
    """Return the failure of a login, as a transient one if it is that.

    :param action: what the login was needed for, to complete "Cannot ...".
    :param handled: the exception that was being handled when the login began, if any.
    :param place: the region and the cloud that the login was needed for, if they are known.
    """
    for_place = f" for {place}" if place else ""
    if isinstance(error, ksa.Unauthorized | ksa.BadRequest):
        return AccessDenied(_BAD_LOGIN.format(for_place))
    failure = _failure(action, error, handled, for_place)
    if not is_transient(error):
        return failure
    headers = getattr(getattr(error, "response", None), "headers", {})
    endpoint = auth_url if is_unsent(error, handled) else ""
    return TransientError(failure, headers.get("Retry-After"), endpoint=endpoint)


def _failure(
    action: str, error: Exception, handled: BaseException | None, for_place: str
) -> ImageTasksError:
    service = _SERVICE + for_place
    if isinstance(error, ksa.HttpError):
        status = error.http_status
        phrase = http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else ""
        said = f"{status} {phrase}".rstrip()
        return ServiceError(f"Cannot {action}: the {service} returned {said}.", status=status)
    why = reason(error, handled)
    if isinstance(error, ksa.AuthorizationFailure):
        return AccessDenied(f"Cannot {action}: the login{for_place} failed: {why}.")
    if is_transient(error):
        return ServiceError(f"Cannot {action}: the {service} did not respond: {why}.")
    return ServiceError(f"Cannot {action}: the login{for_place} failed: {why}.")
