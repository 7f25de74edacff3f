# SPDX-License-Identifier: Apache-2.0
"""Identity API v2.0 on top of Keystone v3, with which users authenticate, also by API key.

`POST /v2.0/tokens` is converted to a v3 request to the same Keystone and its response to the v2.0
format, so that the tokens are real. (Identity API v2.0 and its RAX-KSKEY extension.)
"""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from devcloud.accounts import ACCOUNTS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_API_KEY = "RAX-KSKEY:apiKeyCredentials"
_FAULTS = {400: "badRequest", 401: "unauthorized", 404: "itemNotFound"}


class Rejected(Exception):
    """A request that is rejected; `status` is the HTTP status of the response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def with_identity_v2(keystone: "WSGIApplication") -> "WSGIApplication":
    """Return an application that serves /v2.0 and passes all other requests to `keystone`."""

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith("/v2.0"):
            return keystone(environ, start_response)
        try:
            response = _answer(Request(environ), keystone)
        except Rejected as rejected:
            response = fault(rejected)
        return response(environ, start_response)

    return app


def fault(rejected: Rejected) -> Response:
    """Return an error response in the v2.0 format."""
    name = _FAULTS.get(rejected.status, "identityFault")
    body = {name: {"code": rejected.status, "message": str(rejected)}}
    return _json(body, rejected.status)


def _answer(request: Request, keystone: "WSGIApplication") -> Response:
    match request.method, request.path.rstrip("/"):
        case "GET", "/v2.0":
            return _json({"version": _version(request.base_url)}, 200)
        case "POST", "/v2.0/tokens":
            return _log_in(request.get_json(force=True, silent=True), keystone)
    raise Rejected(404, "Resource Not Found")


def _version(url: str) -> dict[str, Any]:
    return {"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": url}]}


def _log_in(body: object, keystone: "WSGIApplication") -> Response:
    answer = Client(keystone).post("/v3/auth/tokens", json=v3_request(body))
    if answer.status_code != 201:
        raise Rejected(401, "Unable to authenticate user with credentials provided.")
    assert answer.json is not None
    return _json(v2_access(answer.headers["X-Subject-Token"], answer.json["token"]), 200)


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")


def v3_request(body: object) -> dict[str, Any]:
    """Convert the body of a v2.0 authentication request to v3.

    :raises Rejected: if the body is malformed or the API key is not the user's.
    """
    auth = body.get("auth") if isinstance(body, dict) else None
    if not isinstance(auth, dict):
        raise Rejected(400, "Invalid json request body")
    if isinstance(token := auth.get("token"), dict):
        identity: dict[str, Any] = {"methods": ["token"], "token": {"id": token.get("id")}}
        return _scoped(identity, auth, None)
    name, password = _credentials(auth)
    user = {"name": name, "password": password, "domain": {"id": "default"}}
    identity = {"methods": ["password"], "password": {"user": user}}
    return _scoped(identity, auth, ACCOUNTS[name].project if name in ACCOUNTS else None)


def _credentials(auth: dict[str, Any]) -> tuple[str, str]:
    for form, secret in ((_API_KEY, "apiKey"), ("passwordCredentials", "password")):
        given = auth.get(form)
        if isinstance(given, dict):
            name, value = given.get("username"), given.get(secret)
            if not isinstance(name, str) or not isinstance(value, str):
                raise Rejected(400, f"Expecting username and {secret} in {form}")
            return name, value if form != _API_KEY else _password(name, value)
    raise Rejected(400, "Invalid request body: unable to parse Auth data.")


def _password(name: str, api_key: str) -> str:
    account = ACCOUNTS.get(name)
    if account is None or account.api_key != api_key:
        raise Rejected(401, "Username or api key is invalid.")
    return account.password


def _scoped(identity: dict[str, Any], auth: dict[str, Any], home: str | None) -> dict[str, Any]:
    if tenant := auth.get("tenantId"):
        scope: dict[str, Any] = {"project": {"id": tenant}}
    elif name := auth.get("tenantName") or home:
        scope = {"project": {"name": name, "domain": {"id": "default"}}}
    else:
        return {"auth": {"identity": identity}}
    return {"auth": {"identity": identity, "scope": scope}}


def v2_access(token_id: str, token: dict[str, Any]) -> dict[str, Any]:
    """Convert a v3 token to the v2.0 format: token, service catalog and user."""
    project = token.get("project", {})
    catalog = [_service(service, project.get("id")) for service in token.get("catalog", ())]
    user = {"id": token["user"]["id"], "name": token["user"]["name"], "roles": token["roles"]}
    return {
        "access": {
            "token": {"id": token_id, "expires": token["expires_at"], "tenant": project},
            "serviceCatalog": catalog,
            "user": user,
        }
    }


def _service(service: dict[str, Any], tenant: str | None) -> dict[str, Any]:
    regions: dict[str, dict[str, Any]] = {}
    for endpoint in service["endpoints"]:
        entry = regions.setdefault(endpoint["region"], {"region": endpoint["region"]})
        entry["tenantId"] = tenant
        entry[f"{endpoint['interface']}URL"] = endpoint["url"]
    return {"type": service["type"], "name": service["name"], "endpoints": list(regions.values())}
