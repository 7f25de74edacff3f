# SPDX-License-Identifier: Apache-2.0
"""Access of a task to the Swift account of its caller."""

import contextlib
from collections.abc import Iterator
from typing import Any

import requests
import swiftclient
import urllib3
from keystoneauth1 import loading, session
from oslo_config import cfg

from devcloud.cloudimages.failure import TaskFailed
from devcloud.cloudimages.options import OPTIONS

# The exceptions of swiftclient after its retries: error responses, and lost connections.
SWIFT_ERRORS = swiftclient.ClientException
CONNECTION_ERRORS = (
    requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError,
)  # fmt: skip


@contextlib.contextmanager
def task_failures(what: str, missing: str | None = None) -> Iterator[None]:
    """Turn errors of Swift into failures of the task.

    :param what: the operation, for the message.
    :param missing: the message if the caller has no such container or object.
    """
    try:
        yield
    except SWIFT_ERRORS as error:
        if missing is not None and error.http_status in (403, 404):
            raise TaskFailed(missing) from error
        reason = f"HTTP {error.http_status}" if error.http_status else error.msg
        raise TaskFailed(f"Error: {what} failed: {reason}") from error
    except CONNECTION_ERRORS as error:
        raise TaskFailed(f"Error: {what} failed: the connection was lost") from error


class CallerSwift(swiftclient.Connection):
    """Swift with the token of the caller, so that Swift itself checks ownership and quotas.

    Each request also has a valid service token of Glance, with which Swift accepts an expired token
    of the caller: a task may take longer than the lifetime of a token.
    """

    _service_session: session.Session | None = None

    def __init__(self, context: Any) -> None:
        super().__init__(
            preauthurl=_endpoint(context),
            preauthtoken=context.auth_token,
            retries=4,
            starting_backoff=0.2,
            retry_on_ratelimit=True,
            timeout=60,
        )

    @property
    def service_token(self) -> str | None:
        if self._service_session is None:
            auth = loading.load_auth_from_conf_options(cfg.CONF, "keystone_authtoken")
            self._service_session = session.Session(auth)
        return self._service_session.get_token()

    @service_token.setter
    def service_token(self, _value: str | None) -> None:
        """Ignore the value: the constructor of swiftclient sets None."""


def _endpoint(context: Any) -> str:
    for service in context.service_catalog or ():
        if service["type"] == "object-store":
            for endpoint in service["endpoints"]:
                if endpoint.get("region") == OPTIONS.region:
                    return str(endpoint["publicURL"])
    raise TaskFailed("Error: the catalog has no object-store endpoint")
