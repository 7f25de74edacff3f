# SPDX-License-Identifier: Apache-2.0
import fixtures

from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.http.login import Login
from tests.unit.http.test_login import CREDENTIALS, LoginCase
from tests.unit.objects import faults
from tests.unit.osc.local_shell import LocalShellTest


class FirstLoginTest(LoginCase, LocalShellTest):
    """The login of a command, before it has a client; its waits take no time."""

    def setUp(self):
        super().setUp()
        for name, value in (
            ("_repeat.backoff", lambda *_given: 6),
            ("login.Cancellation", lambda: Cancellation(self.waits.append)),
        ):
            self.useFixture(fixtures.MonkeyPatch(f"rackspace_imagetasks.http.{name}", value))

    def wait(self, *words):
        """Wait for a task that has ended; return the exit status and the standard error."""
        options = {"auth-type": "v3password", "auth-url": f"{self.service.url}/v3"}
        options |= {key.replace("_", "-"): value for key, value in CREDENTIALS.items()}
        given = [word for key, value in options.items() for word in (f"--os-{key}", value)]
        given += ["--os-region-name", "DFW", *words]
        status, _, stderr = self.openstack(*given, "image", "task", "wait", "task-1")
        return status, stderr

    def test_retried(self):
        """It is retried after transient failures, which is announced unless -q is given."""
        self.service.fault(faults.status(503), "POST")
        status, said = self.wait()
        self.assertEqual(0, status, said)
        self.assertIn("Cannot log in: the identity service returned 503 Service Unavailable.", said)
        self.assert_logins(2)
        self.service.fault(faults.reset(), "POST")
        self.assertEqual((0, ""), self.wait("-q"))
        self.assert_logins(4)

    def test_size(self):
        """Its response has a limit of size."""
        self.service.fault(faults.status(201, b" " * (17 << 20)), "POST")
        status, said = self.wait()
        self.assertEqual(1, status)
        self.assertIn(
            "Cannot log in: the response of the identity service is longer than 16 MiB", said
        )
        self.assert_logins(1)

    def test_session(self):
        """A session that has the limits is not wrapped again, and keeps its connections."""
        login = Login(None)
        session = self.service.adapter().session
        patient = login.session(session)
        self.assertIs(session.session, patient.session)
        self.assertIs(patient, login.session(patient))
