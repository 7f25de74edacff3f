# SPDX-License-Identifier: Apache-2.0
"""The documentation's example that needs no cloud."""

import lzma
import subprocess
import sys
from pathlib import Path

import fixtures
from oslotest import base

EXAMPLE = Path(__file__).parents[2] / "examples" / "python" / "validate_vhd.py"
CORPUS = Path(__file__).parents[1] / "corpus"


class ValidateVhdTest(base.BaseTestCase):
    def test_a_good_and_a_bad_file(self):
        """It says of each file what the service would, and exits with 1 for the bad one."""
        directory = Path(self.useFixture(fixtures.TempDir()).path)
        good, bad = directory / "good.vhd", directory / "bad.vhd"
        good.write_bytes(lzma.decompress((CORPUS / "go-vhd-xapi.vhd.xz").read_bytes()))
        bad.write_bytes(good.read_bytes()[:2000])
        done = subprocess.run(
            [sys.executable, EXAMPLE, good, bad], capture_output=True, text=True, check=False
        )
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertIn(f"{good}: dynamic, grows: True", done.stdout)
        self.assertIn(f"{bad}: error 111", done.stdout)
