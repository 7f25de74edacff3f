# SPDX-License-Identifier: Apache-2.0
import logging

import fixtures
from oslotest import base

from rackspace_imagetasks.osc.secrets import MaskedRecord, mask_log, masked


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
        ):
            self.assertNotIn("s3cret", masked(text))
            self.assertIn("***", masked(text))

    def test_the_rest_is_shown(self):
        """What is no secret stays readable, on both sides of a secret."""
        text = "--os-username alice --os-password s3cret --os-region-name DFW image task wait x"
        self.assertEqual(text.replace("s3cret", "***"), masked(text))
        text = "{'username': 'alice', 'api_key': 's3cret', 'region': 'DFW', 'token': None}"
        self.assertEqual(text.replace("s3cret", "***"), masked(text))

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
