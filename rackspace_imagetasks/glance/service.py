# SPDX-License-Identifier: Apache-2.0
"""Requests to Glance, with what goes wrong said in one sentence and transient faults retried."""

import contextlib
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

import requests
from keystoneauth1 import exceptions as ksa
from openstack import connection as sdk_connection
from openstack import exceptions as sdk

from rackspace_imagetasks.exceptions import (
    AccessDenied,
    Cancelled,
    ImageTasksError,
    NotFound,
    QuotaExceeded,
    ServiceError,
)
from rackspace_imagetasks.http.retry import RETRIED_STATUSES, backoff
from rackspace_imagetasks.text import printable

_ATTEMPTS = 7
_PAGE = 1000  # Glance gives no more in one answer

# openstacksdk repeats requests by itself, a POST too, which could create a second task; and it
# may be told to cache answers, when a task's status must be fresh.
_ONCE: dict[str, Any] = {
    "timeout": 60.0,
    "connect_retries": 0,
    "status_code_retries": 0,
    "skip_cache": True,
}


@contextlib.contextmanager
def refused_credentials() -> Iterator[None]:
    """Say what to check when the cloud refuses a login: 401, or 400 where a part is missing.

    :raises AccessDenied: then.
    """
    try:
        yield
    except (ksa.Unauthorized, ksa.BadRequest) as error:
        raise AccessDenied(_BAD_LOGIN) from error


class ImageService:
    """The image service of one cloud and region, by openstacksdk's connection.

    :ivar region: the region's name, for messages.
    """

    def __init__(self, connection: sdk_connection.Connection, stop: threading.Event) -> None:
        self.connection = connection
        self.region: str = printable(connection.config.get_region_name("image") or "")
        self._stop = stop

    def get(self, path: str, what: str) -> dict[str, Any]:
        """Return the JSON answer of a GET, tried again after transient faults.

        :param what: what is asked for, to name in a message: "task 123".
        :raises NotFound, AccessDenied, ServiceError: when there is no good answer.
        """
        response = self._get_patiently(path, what)
        _expect(response, 200, what)
        return _json(response, what)

    def pages(self, path: str, key: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Yield the items under `key` of a listing, over all its pages.

        The next page's address is the server's word: only its marker is believed, and once.
        """
        given = urllib.parse.urlencode({"limit": str(_PAGE), **query})
        markers = [""]
        while True:
            marker = f"&marker={markers[-1]}" if markers[-1] else ""
            answer = self.get(f"{path}?{given}{marker}", f"the list of {key}")
            for item in answer.get(key) or ():
                if isinstance(item, dict):
                    yield item
            following = _marker(answer.get("next"))
            if not following or following in markers:
                return
            markers.append(following)

    def post(self, path: str, body: Mapping[str, Any], what: str) -> dict[str, Any]:
        """Return the JSON answer (201) of a POST, sent once: it may not be safe to repeat.

        :raises AccessDenied, QuotaExceeded, ServiceError: when it is refused, or when nobody
            knows whether it arrived (`status` None or 5xx).
        """
        with self.errors(what):
            response = self.connection.image.post(path, json=dict(body), **_ONCE)
        _expect(response, 201, what)
        return _json(response, what)

    def patch(self, path: str, changes: list[dict[str, Any]], what: str) -> dict[str, Any]:
        """Return the JSON answer of a JSON patch; safe to repeat with `add` operations.

        :raises NotFound, AccessDenied, ServiceError: when it is refused.
        """
        headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        with self.errors(what):
            response = self.connection.image.patch(path, json=changes, headers=headers, **_ONCE)
        _expect(response, 200, what)
        return _json(response, what)

    @contextlib.contextmanager
    def errors(self, what: str) -> Iterator[None]:
        """Turn errors of keystoneauth and openstacksdk into ours, naming `what` was asked for."""
        try:
            with refused_credentials():
                yield
        except (ksa.EndpointNotFound, ksa.EmptyCatalog, sdk.ServiceDisabledException) as error:
            raise NotFound(
                f"The cloud's catalog has no image service in region '{self.region}'; check"
                " the region's name and the cloud's entry in clouds.yaml."
            ) from error
        except sdk.HttpException as error:
            raise _refusal(what, error.response, error.details or "") from error
        except (ksa.ClientException, sdk.SDKException, requests.RequestException) as error:
            raise ServiceError(
                f"The image service gave no answer for {what}: {printable(error)}"
            ) from error

    def _get_patiently(self, path: str, what: str) -> requests.Response:
        for attempt in range(1, _ATTEMPTS):
            response = self._try_to_get(path, what)
            if response is not None and response.status_code not in RETRIED_STATUSES:
                return response
            asked = response.headers.get("Retry-After") if response is not None else None
            if self._stop.wait(backoff(attempt, asked)):
                raise Cancelled(f"Stopped while asking for {what}.")
        with self.errors(what):
            return self.connection.image.get(path, **_ONCE)

    def _try_to_get(self, path: str, what: str) -> requests.Response | None:
        """Return the answer, None when the connection broke."""
        with (
            self.errors(what),
            contextlib.suppress(ksa.ConnectFailure, requests.RequestException),
        ):
            return self.connection.image.get(path, **_ONCE)
        return None


def _expect(response: requests.Response, status: int, what: str) -> None:
    if response.status_code != status:
        raise _refusal(what, response, _reason(response))


_TASK_ROLE = (
    "; image tasks need the project's admin role (identity:user-admin, admin or cloudImages:admin)"
)
_BAD_LOGIN = (
    "The cloud refused the credentials; check the user, key or password in clouds.yaml or the OS_*"
    " variables."
)


def _refusal(what: str, response: requests.Response | None, reason: str) -> ImageTasksError:
    """Return the error that says why the service refused `what`."""
    status = response.status_code if response is not None else None
    said = f": {printable(reason)}" if reason else ""
    match status:
        case 401:
            return AccessDenied(_BAD_LOGIN)
        case 403:
            role = _TASK_ROLE if response is not None and "/tasks" in response.url else ""
            return AccessDenied(f"The image service refused {what}{said}{role}.")
        case 404:
            return NotFound(f"The image service does not know {what}.")
        case 413:
            return QuotaExceeded(
                f"The cloud's limit does not allow {what}{said}; wait for running tasks to"
                " end, or ask for a higher limit."
            )
        case _:
            return ServiceError(
                f"The image service answered {status} for {what}{said}.", status=status
            )


def _reason(response: requests.Response) -> str:
    """Return what an error answer says: Glance writes JSON, HTML or plain text."""
    try:
        body = response.json()
    except ValueError:
        return response.reason or ""
    message = body.get("message") if isinstance(body, dict) else None
    if not message and isinstance(body, dict):
        message = next((v.get("message") for v in body.values() if isinstance(v, dict)), None)
    return str(message or response.reason or "").rstrip(".")


def _marker(next_page: object) -> str:
    query = urllib.parse.urlsplit(next_page if isinstance(next_page, str) else "").query
    return urllib.parse.quote(urllib.parse.parse_qs(query).get("marker", [""])[0], safe="")


def _json(response: requests.Response, what: str) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ServiceError(f"The image service's answer for {what} is not a JSON object.")
    return answer
