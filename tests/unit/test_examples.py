# SPDX-License-Identifier: Apache-2.0
"""The documentation's examples that need no cloud."""

import lzma
import subprocess
import sys
from pathlib import Path

import fixtures
from oslotest import base

EXAMPLES = Path(__file__).parents[2] / "examples" / "python"
CORPUS = Path(__file__).parents[1] / "corpus"


def run_example(name, *arguments):
    """Run an example to its end, and return what it printed and its status."""
    command = [sys.executable, EXAMPLES / name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class ValidateVhdTest(base.BaseTestCase):
    def test_a_good_and_a_bad_file(self):
        """It says of each file what the service would, and exits with 1 for the bad one."""
        directory = Path(self.useFixture(fixtures.TempDir()).path)
        good, bad = directory / "good.vhd", directory / "bad.vhd"
        good.write_bytes(lzma.decompress((CORPUS / "go-vhd-xapi.vhd.xz").read_bytes()))
        bad.write_bytes(good.read_bytes()[:2000])
        done = run_example("validate_vhd.py", good, bad)
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertIn(f"{good}: dynamic, grows: True", done.stdout)
        self.assertIn(f"{bad}: error 111", done.stdout)


class WriteQcow2Test(base.BaseTestCase):
    def test_a_disk_and_none(self):
        """It writes a disk to a qcow2 file of the size that it prints, and says what is no disk."""
        directory = Path(self.useFixture(fixtures.TempDir()).path)
        disk, qcow2 = directory / "disk.raw", directory / "disk.qcow2"
        disk.write_bytes(b"boot".ljust(2**20, b"\0"))
        done = run_example("write_qcow2.py", disk, qcow2)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(f"raw, 1 MiB -> qcow2, {qcow2.stat().st_size} bytes\n", done.stdout)
        self.assertTrue(qcow2.read_bytes().startswith(b"QFI\xfb"))
        done = run_example("write_qcow2.py", directory / "none", qcow2)
        self.assertEqual(1, done.returncode)
        self.assertIn("does not exist", done.stderr)
