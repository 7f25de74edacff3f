# SPDX-License-Identifier: Apache-2.0
"""The caller's Swift account, as a task sees it."""

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

# What swiftclient raises when it has tried enough, by Swift's answer or for want of one.
REFUSALS = swiftclient.ClientException
LOSSES = (
    requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError,
)  # fmt: skip


@contextlib.contextmanager
def told(what: str, missing: str | None = None) -> Iterator[None]:
    """Have a task fail by how Swift failed it.

    :param missing: the whole text where nothing is there, or nothing for the caller to see.
    """
    try:
        yield
    except REFUSALS as error:
        if missing is not None and error.http_status in (403, 404):
            raise TaskFailed(missing) from error
        reason = f"HTTP {error.http_status}" if error.http_status else error.msg
        raise TaskFailed(f"Error: {what} failed: {reason}") from error
    except LOSSES as error:
        raise TaskFailed(f"Error: {what} failed: the connection was lost") from error


class CallerSwift(swiftclient.Connection):
    """Swift with the caller's token, so that ownership and quotas are judged for real.

    Glance's own token goes beside it, always a fresh one: with that the caller's token is good
    after its end, and a task may outlast it.
    """

    _service_session: session.Session | None = None

    def __init__(self, context: Any) -> None:
        super().__init__(
            preauthurl=_endpoint(context),
            preauthtoken=context.auth_token,
            retries=2,
            starting_backoff=0.2,
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
        """Swiftclient sets it to None when it is made."""


def _endpoint(context: Any) -> str:
    for service in context.service_catalog or ():
        if service["type"] == "object-store":
            for endpoint in service["endpoints"]:
                if endpoint.get("region") == OPTIONS.region:
                    return str(endpoint["publicURL"])
    raise TaskFailed("Error: the catalog has no object-store endpoint")
