# SPDX-License-Identifier: Apache-2.0
import json

from oslotest import base
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from devcloud.servers import identity_v2

TOKEN = {
    "expires_at": "2030-01-01T00:00:00.000000Z",
    "project": {"id": "p1", "name": "acme"},
    "user": {"id": "u1", "name": "alice"},
    "roles": [{"id": "r1", "name": "member"}],
    "catalog": [
        {
            "type": "image",
            "name": "cloudImages",
            "endpoints": [
                {"region": region, "interface": interface, "url": f"http://{region}/{interface}"}
                for region in ("DFW", "ORD")
                for interface in ("public", "internal")
            ],
        }
    ],
}


def keystone(seen):
    """Return a Keystone that knows one password and records its requests in `seen`."""

    @Request.application
    def app(request):
        seen.append((request.path, request.get_json(silent=True)))
        if "alice-password" not in request.get_data(as_text=True):
            return Response(status=401)
        response = Response(json.dumps({"token": TOKEN}), 201, mimetype="application/json")
        response.headers["X-Subject-Token"] = "secret"
        return response

    return app


class TestIdentityV2(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.seen = []
        self.client = Client(identity_v2.with_identity_v2(keystone(self.seen)))

    def log_in(self, auth):
        return self.client.post("/v2.0/tokens", json={"auth": auth})

    def test_api_key(self):
        """An API key yields a token for the project of the user, with a v2.0 catalog."""
        credentials = {"username": "alice", "apiKey": "alice-api-key"}
        answer = self.log_in({"RAX-KSKEY:apiKeyCredentials": credentials})
        self.assertEqual(200, answer.status_code)
        access = answer.json["access"]
        self.assertEqual(("secret", "p1"), (access["token"]["id"], access["token"]["tenant"]["id"]))
        path, request = self.seen[0]
        self.assertEqual("/v3/auth/tokens", path)
        self.assertEqual("acme", request["auth"]["scope"]["project"]["name"])
        regions = {e["region"]: e for e in access["serviceCatalog"][0]["endpoints"]}
        self.assertEqual("http://ORD/public", regions["ORD"]["publicURL"])
        self.assertEqual("http://DFW/internal", regions["DFW"]["internalURL"])

    def test_wrong_secrets(self):
        """A wrong key, a wrong password and an unknown user are 401."""
        for auth in (
            {"RAX-KSKEY:apiKeyCredentials": {"username": "alice", "apiKey": "alice-password"}},
            {"RAX-KSKEY:apiKeyCredentials": {"username": "mallory", "apiKey": "x"}},
            {"passwordCredentials": {"username": "alice", "password": "alice-api-key"}},
            {"passwordCredentials": {"username": "mallory", "password": "x"}},
        ):
            answer = self.log_in(auth)
            self.assertEqual(401, answer.status_code)
            self.assertEqual(401, answer.json["unauthorized"]["code"])

    def test_bad_requests(self):
        """A malformed request is 400."""
        self.assertEqual(400, self.client.post("/v2.0/tokens", data=b"{").status_code)
        for auth in ({}, {"passwordCredentials": {"username": "alice"}}, []):
            self.assertEqual(400, self.log_in(auth).status_code)

    def test_tenant(self):
        """A request can name the tenant by ID or by name."""
        credentials = {"passwordCredentials": {"username": "alice", "password": "alice-password"}}
        self.log_in(credentials | {"tenantId": "p2"})
        self.log_in(credentials | {"tenantName": "other"})
        scopes = [request["auth"]["scope"]["project"] for _path, request in self.seen]
        self.assertEqual("p2", scopes[0]["id"])
        self.assertEqual("other", scopes[1]["name"])

    def test_token(self):
        """A token can be exchanged for another, as rackspace_token does."""
        request = identity_v2.v3_request({"auth": {"token": {"id": "old"}, "tenantId": "p1"}})
        self.assertEqual(
            {"methods": ["token"], "token": {"id": "old"}}, request["auth"]["identity"]
        )

    def test_other_paths(self):
        """Version 2.0 describes itself; requests to other paths are passed to Keystone."""
        self.assertEqual("v2.0", self.client.get("/v2.0/").json["version"]["id"])
        self.assertEqual(404, self.client.get("/v2.0/tenants").status_code)
        self.client.get("/v3")
        self.assertEqual([("/v3", None)], self.seen)
