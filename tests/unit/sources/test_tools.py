# SPDX-License-Identifier: Apache-2.0
import os
import subprocess

from oslotest import base

from rackspace_imagetasks.sources._tools import StandardError


class StandardErrorTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.output = StandardError()
        self.addCleanup(self.output.close)

    def test_read_again(self):
        """All that was written so far is returned, whenever it is asked for."""
        self.assertEqual(b"", self.output.read())
        for number in range(3):
            os.write(self.output.writer, b"%d" % number)
            self.assertEqual(b"012"[: number + 1], self.output.read())
        self.output.close()
        self.assertEqual(b"012", self.output.read())

    def test_child_that_writes_much(self):
        """A child is not stopped by output that nobody reads; the first part of it is kept."""
        script = "i=0; while [ $i -lt 100 ]; do echo $i; i=$((i+1)); done; yes | head -c 3000000"
        subprocess.run(["sh", "-c", f"({script}) >&2"], stderr=self.output.writer, check=False)
        self.assertTrue(self.output.read().startswith(b"0\n1\n2\n"))
        self.assertLess(len(self.output.read()), 3_000_000)
