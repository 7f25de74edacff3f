# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from oslotest import base

from rackspace_imagetasks.http.retry import backoff


class TestBackoff(base.BaseTestCase):
    def test_grows(self):
        """Waits double up to half a minute, and no two clients wait in step."""
        for attempt, longest in ((1, 0.5), (2, 1), (5, 8), (7, 30), (2000, 30)):
            waits = {backoff(attempt) for _ in range(50)}
            self.assertGreater(len(waits), 1)
            self.assertTrue(all(longest / 2 <= wait <= longest for wait in waits))

    def test_retry_after(self):
        """Retry-After is honoured in seconds and as a date, but not without end."""
        self.assertEqual(17, backoff(1, "17"))
        self.assertEqual(300, backoff(1, "86400"))
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
        self.assertTrue(95 < backoff(1, date) <= 100)

    def test_senseless_retry_after(self):
        """What is no time to come is no reason to fail or to hurry."""
        past = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
        for value in ("", "soon", "-5", "1e400", "\u00b2", "9" * 400, past, "Mon, 99 Foo"):
            self.assertTrue(0.25 <= backoff(1, value) <= 300, value)
