# SPDX-License-Identifier: Apache-2.0
"""Check that each service responds to a user."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

from devcloud.accounts import FLEX_USERS, USERS
from devcloud.plan import Plan, Site

_SECONDS = 120.0
# A proxy cannot reach loopback.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def check(plan: Plan) -> None:
    """Send one request to each service, as a user.

    :raises OSError: if a service does not respond, or responds with an error.
    """
    for site in plan.sites:
        log_in = _with_password if site.has_tasks else _with_application_credential
        token, urls = log_in(plan, site)
        for url in urls:
            request = urllib.request.Request(url, headers={"X-Auth-Token": token})
            _DIRECT.open(request, timeout=_SECONDS).close()


def _with_password(plan: Plan, site: Site) -> tuple[str, list[str]]:
    """Log in with Identity v2.0; return a token and the URLs of the services."""
    credentials = {"username": USERS[0].name, "password": USERS[0].password}
    _headers, body = _post(
        f"{plan.identity_url(site)}/v2.0/tokens", {"passwordCredentials": credentials}
    )
    access = body["access"]
    return access["token"]["id"], list(_urls(access["serviceCatalog"], "publicURL"))


def _with_application_credential(plan: Plan, site: Site) -> tuple[str, list[str]]:
    """Log in with Identity v3; return a token and the URLs of the services."""
    credential = FLEX_USERS[0].application_credential
    identity = {
        "methods": ["application_credential"],
        "application_credential": {"id": credential.id, "secret": credential.secret},
    }
    headers, body = _post(f"{plan.auth_url(site)}/auth/tokens", {"identity": identity})
    return headers["X-Subject-Token"], list(_urls(body["token"]["catalog"], "url"))


def _post(url: str, auth: dict[str, Any]) -> tuple[Any, Any]:
    request = urllib.request.Request(
        url, json.dumps({"auth": auth}).encode(), {"Content-Type": "application/json"}
    )
    with _DIRECT.open(request, timeout=_SECONDS) as response:
        return response.headers, json.load(response)


def _urls(catalog: list[dict[str, Any]], key: str) -> Iterator[str]:
    for service in catalog:
        path = "/v2/images" if service["type"] == "image" else ""
        for endpoint in service["endpoints"]:
            yield endpoint[key] + path
