# SPDX-License-Identifier: Apache-2.0
"""The documentation's examples, run as the reader would run them."""

import signal
import subprocess
import sys
from pathlib import Path

from devcloud.faults import Rule
from tests.functional import cloudcase

EXAMPLES = Path(__file__).parents[2] / "examples" / "python"


class ExamplesTest(cloudcase.CloudTestCase):
    def run_example(self, name, *arguments, status=0):
        """Run an example to its end; give what it printed."""
        command = [sys.executable, EXAMPLES / name, "alice", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        self.assertNotIn("Traceback", done.stderr)
        self.assertEqual(status, done.returncode, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_import_disk(self):
        """A VHD becomes an active image with the settings of the example."""
        path = self.corpus("go-vhd-xapi.vhd")
        output = self.run_example("import_disk.py", "DFW", path, f"image-{self.mark}")
        image = self.sdk().image.get_image(output.split()[-1])
        self.assertEqual(("active", "hvm"), (image.status, image.vm_mode))
        self.assertEqual(["example"], image.tags)

    def test_import_disk_says_what_is_wrong(self):
        """A refusal is one sentence and the exit status 1."""
        output = self.run_example("import_disk.py", "DFW", self.tmp / "none.vhd", "x", status=1)
        self.assertEqual(1, len(output.splitlines()))
        self.assertIn("does not exist", output)

    def test_export_and_save(self):
        """The image's VHD is in the file, and no more in the container."""
        row = self.imported()
        path = self.tmp / "saved.vhd"
        output = self.run_example("export_and_save.py", "DFW", row["Image"], path)
        self.assertIn(f"{path}: {path.stat().st_size} bytes", output)
        self.assertNotIn(f"{row['Image']}.vhd", self.objects("image-exports"))

    def test_transfer(self):
        """Good images arrive in the other region, a bad one is named; exit status 1."""
        row = self.imported()
        output = self.run_example(
            *("transfer.py", "DFW", "ORD", row["Image"], f"no-{self.mark}"), status=1
        )
        self.assertIn(f"no-{self.mark}: There is no image", output)
        copied = output.partition(f"{row['Image']}: transferred as ")[2].split()[0]
        self.assertEqual("active", self.sdk(region="ORD").image.get_image(copied).status)

    def test_ctrl_c_ends_an_example_well(self):
        """Ctrl-C while a task runs: the example says how to follow it, and ends."""
        path = self.corpus("go-vhd-xapi.vhd")
        self.inject(Rule("TASK", f"image-{self.mark}", delay=30), service="glance")
        command = [sys.executable, EXAMPLES / "import_disk.py", "alice", "DFW", path]
        with subprocess.Popen(
            [*command, f"image-{self.mark}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as example:
            line = example.stdout.readline()
            while line and "processing" not in line:
                line = example.stdout.readline()
            example.send_signal(signal.SIGINT)
            _, said = example.communicate(timeout=20)
        self.assertEqual(1, example.returncode)
        self.assertIn("Wait for task", said)
