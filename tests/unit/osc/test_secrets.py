# SPDX-License-Identifier: Apache-2.0
"""Debug output shows no secret, whichever way the secret came and wherever the options stand."""

import contextlib
import itertools
import json
import logging
import re

import fixtures
from keystoneauth1 import fixture as keystone
from oslotest import base
from requests_mock.contrib import fixture as requests_fixture

from rackspace_imagetasks.osc.secrets import MaskedRecord, mask_log, masked
from tests.unit.osc import local_shell

SECRET = "s3cr -et 'q\" x"
TOKEN = "t0ken-secret"
IDENTITY = "http://identity.test/identity"
PROJECT = {"OS_PROJECT_NAME": "acme", "OS_PROJECT_DOMAIN_ID": "default"}
USER = {"OS_USERNAME": "al", "OS_USER_DOMAIN_ID": "default"} | PROJECT
LOGINS = (
    ("/v3", {"OS_AUTH_TYPE": "password", "OS_PASSWORD": SECRET} | USER),
    ("/v3", {"OS_AUTH_TYPE": "token", "OS_TOKEN": "s3cr-et"} | PROJECT),
    ("/v3", {"OS_AUTH_TYPE": "v3totp", "OS_PASSCODE": SECRET} | USER),
    (
        "/v3",
        {
            "OS_AUTH_TYPE": "v3applicationcredential",
            "OS_APPLICATION_CREDENTIAL_ID": "abc",
            "OS_APPLICATION_CREDENTIAL_SECRET": SECRET,
        },
    ),
    ("/v2.0", {"OS_AUTH_TYPE": "v2password", "OS_USERNAME": "al", "OS_PASSWORD": SECRET}),
    ("/v2.0", {"OS_AUTH_TYPE": "rackspace_apikey", "OS_USERNAME": "al", "OS_API_KEY": SECRET}),
)
VERBOSE = (["--debug"], ["-v", "--debug"], ["-vv"], ["--debug", "--log-file", "log.txt"])


class DebugOutputTest(local_shell.LocalShellTest):
    def setUp(self):
        super().setUp()
        requests = self.useFixture(requests_fixture.Fixture())
        old = keystone.V2Token(token_id=TOKEN, tenant_id="p" * 32)
        old.add_service("image").add_endpoint("http://image.test", region="DFW")
        new = keystone.V3Token(project_id="p" * 32)
        new.add_service("image").add_standard_endpoints(public="http://image.test", region="DFW")
        requests.get(f"{IDENTITY}/v3", json={"version": keystone.V3Discovery(f"{IDENTITY}/v3")})
        headers = {"X-Subject-Token": TOKEN}
        requests.post(f"{IDENTITY}/v3/auth/tokens", json=new, headers=headers)
        requests.post(f"{IDENTITY}/v2.0/tokens", json=old)
        requests.get(
            re.compile("http://image.test/?$"),
            json={"versions": [{"id": "v2.9", "status": "CURRENT", "links": [
                {"rel": "self", "href": "http://image.test/v2/"}
            ]}]},
        )  # fmt: skip
        requests.get(re.compile("http://image.test/v2/.*"), status_code=404)
        self.requests = requests

    def run_with(self, words, variables):
        """Run `openstack` with these arguments and variables."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(fixtures.MonkeyPatch("sys.argv", ["openstack", *words]))
            for name, value in variables:
                stack.enter_context(fixtures.EnvironmentVariable(name, value))
            return self.openstack(*words)

    def shown(self, words, variables=()):
        """Run a command; return everything that it printed and logged."""
        status, stdout, stderr = self.run_with(words, variables)
        self.assertEqual(1, status, stderr)
        self.assertIn("not found", stderr)  # it has logged in, and asked for the task
        log = self.directory / "log.txt"
        return stdout + stderr + (log.read_text() if log.exists() else "")

    def assert_no_secret(self, text, words):
        self.assertIn("START with options:", text, words)
        for part in ("s3cr", "-et ", 'q" x', TOKEN):
            self.assertNotIn(part, text, words)

    def orders(self, login):
        """Yield command lines with the options of a login before, between and after the rest."""
        command = ["image", "task", "wait", "x"]
        debug, verbose, both, file = VERBOSE
        yield [*login, *verbose, *command]
        yield [*debug, *login, *command]
        yield [*command, *login, *both]
        yield [*file, *command, *login]

    def logins(self):
        """Yield the variables of each way to log in."""
        for path, settings in LOGINS:
            yield settings | {"OS_AUTH_URL": IDENTITY + path, "OS_REGION_NAME": "DFW"}

    def test_options(self):
        """Neither the order of the options nor their form brings a secret to light."""
        for variables in self.logins():
            pairs = [(f"--{key.lower().replace('_', '-')}", v) for key, v in variables.items()]
            for words in self.orders([*itertools.chain(*pairs)]):
                self.assert_no_secret(self.shown(words), words)
            backwards = [f"{option}={value}" for option, value in pairs[::-1]]
            for words in self.orders(backwards):
                self.assert_no_secret(self.shown(words), words)

    def test_variables(self):
        """Secrets in OS_* variables are not shown."""
        for variables in self.logins():
            for words in self.orders([]):
                self.assert_no_secret(self.shown(words, variables.items()), words)

    def test_clouds_yaml(self):
        """Secrets in clouds.yaml are not shown."""
        outside = ("OS_AUTH_TYPE", "OS_REGION_NAME")
        for variables in self.logins():
            auth = {k[3:].lower(): v for k, v in variables.items() if k not in outside}
            entry = {"auth": auth, "auth_type": variables["OS_AUTH_TYPE"], "region_name": "DFW"}
            (self.directory / "clouds.yaml").write_text(json.dumps({"clouds": {"acme": entry}}))
            for words in self.orders(["--os-cloud", "acme"]):
                self.assert_no_secret(self.shown(words), words)

    def test_an_error_that_quotes_a_secret(self):
        """What is known as a secret is masked in errors and tracebacks, too."""
        variables = next(self.logins())
        says = {"error": {"message": f"{SECRET} is wrong", "code": 409}}
        self.requests.post(
            f"{IDENTITY}/v3/auth/tokens",
            json=says,
            status_code=409,
            headers={"Content-Type": "application/json"},
        )
        for verbose in ([], ["--debug"]):
            words = [*verbose, "image", "list"]
            _, stdout, stderr = self.run_with(words, variables.items())
            self.assertIn("is wrong", stderr)
            self.assertNotIn("s3cr", stdout + stderr)

    def test_another_programs_command_line(self):
        """A program that runs the client within itself is not logged as the client."""
        words = ["--debug", "--os-cloud", "none", "image", "task", "wait", "x"]
        with fixtures.MonkeyPatch("sys.argv", ["other", "--password", "x"]):
            _, _, stderr = self.openstack(*words)
        self.assertIn(f"START with options: {' '.join(words)}", stderr)


class MaskedTest(base.BaseTestCase):
    def test_secrets_in_every_form_are_masked(self):
        """Options, namespaces, dictionaries and JSON show no secret, whatever its characters."""
        for text in (
            "START with options: --os-api-key s3cret image task wait x",
            "--os-username alice --os-password=s3cret --os-region-name DFW",
            "--os-password s3 s3cret word --os-token s3cret",
            "--os-api-k s3cret",
            "Namespace(username='alice', api_key='s3cret', token='s3cret')",
            "{'auth': {'api_key': 's3cret', 'password': \"it's s3cret\"}}",
            "{'apiKey': 'a\\'s3cret'}",
            '{"RAX-KSKEY:apiKeyCredentials": {"apiKey": "s3cret", "username": "alice"}}',
            "{'application_credential_secret': 's3cret'}",
            '{"server": {"adminPass": "s3cret"}}',
            "REQ: curl -g -i -X GET http://x.test -H 'X-Auth-Token: s3cret'",
            "RESP: [201] X-Subject-Token: s3cret",
            "send: b'GET / HTTP/1.1\\r\\nX-Storage-Token: s3cret'",
            "Authorization: Bearer s3cret",
        ):
            self.assertNotIn("s3cret", masked(text))
            self.assertIn("***", masked(text))

    def test_the_rest_is_shown(self):
        """What is no secret stays readable, on both sides of a secret."""
        text = "--os-username alice --os-password s3cret --os-region-name DFW image task wait x"
        self.assertEqual(text.replace("s3cret", "***"), masked(text))
        text = "{'username': 'alice', 'api_key': 's3cret', 'region': 'DFW', 'token': None}"
        self.assertEqual(text.replace("s3cret", "***"), masked(text))

    def test_hashes_of_tokens_are_shown(self):
        """keystoneauth shows the hash of a token, which tells two tokens apart."""
        text = '-H "X-Auth-Token: {SHA256}0123abcd" -H "Accept: text/plain"'
        self.assertEqual(text, masked(text))

    def test_errors_name_options(self):
        """Only debug output is masked: an error may say which option is missing."""
        says = "Missing --os-password or its variable"
        record = MaskedRecord("x", logging.ERROR, "x", 1, says, (), None)
        self.assertEqual(says, record.getMessage())

    def test_credentials_in_urls(self):
        """They are left out at every level: keystoneauth warns with the URL that it was given."""
        says = "Failed to discover versions when contacting http://bob:hush@host.test:5000/v3"
        for level in (logging.DEBUG, logging.WARNING, logging.ERROR):
            message = MaskedRecord("x", level, "x", 1, says, (), None).getMessage()
            self.assertEqual(says.replace("bob:hush@", ""), message)

    def test_other_records_are_left_alone(self):
        """A program that makes its own records of the log keeps them."""
        before = logging.getLogRecordFactory()
        self.addCleanup(logging.setLogRecordFactory, before)

        class Own(logging.LogRecord):
            pass

        logging.setLogRecordFactory(Own)
        mask_log()
        self.assertIs(Own, logging.getLogRecordFactory())
        logging.setLogRecordFactory(logging.LogRecord)
        mask_log()
        logger = logging.getLogger("test-secrets")
        shown = self.useFixture(fixtures.FakeLogger("test-secrets", level=logging.DEBUG))
        logger.debug("options: %s", {"api_key": "s3cret"})
        self.assertEqual("options: {'api_key': '***'}\n", shown.output)
