# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and SIGTERM: a quick end that says what remains and the command that goes on."""

import os
import pty
import re
import select
import signal
import time

from devcloud.faults import Rule
from tests.functional import processcase

_SOON = 5.0  # seconds; it takes one on an idle machine
_SILENCE = 60.0  # seconds; a program starts in one on an idle machine


class InterruptTest(processcase.ProcessTestCase):
    def setUp(self):
        super().setUp()
        self.name = f"image-{self.mark}"
        self.said = self.tmp / "said"

    def begin(self, *words):
        """Start `openstack -v`; what it says can be read meanwhile."""
        with self.said.open("w") as stderr:
            return self.start("-v", *words, stderr=stderr)

    def interrupted(self, process, number=signal.SIGINT):
        """Interrupt a process; give what it said, up to its quick and orderly end."""
        began = time.monotonic()
        process.send_signal(number)
        output = process.communicate(timeout=60)[0]
        said = self.said.read_text()
        self.assertLess(time.monotonic() - began, _SOON, said)
        self.assertEqual(130, process.returncode, said)
        self.assertEqual("", output)
        self.assertNotIn("Traceback", said)
        return said

    def stall(self, rule, region="DFW"):
        """Have a request stall; give what tells whether it does."""
        injected = self.inject(rule, region=region)
        return lambda: injected.fired() == [1]

    def slow_task(self, subject, region="DFW"):
        """Have a task take long."""
        self.inject(Rule("TASK", subject, delay=4), region=region, service="glance")

    def follows(self, what):
        """Give what tells whether the process says that its task runs."""
        return lambda: f"{what}': processing" in self.said.read_text()

    def test_upload(self):
        """It says how much was sent; the same command sends the rest."""
        self.settings(segment_size=2 << 20)
        container, disk = self.container(), self.disk(11)
        words = ("image", "task", "import", disk, "--wait", "--name", self.name)
        words += ("--container", container, "--threads", "1")
        for segment, number in ((3, signal.SIGINT), (4, signal.SIGTERM)):
            begun = self.stall(Rule("PUT", f"{container}_segments/.*0{segment}$", stall=60))
            process = self.begin(*words)
            self.until(begun)
            said = self.interrupted(process, number)
            there = f"{2 * segment} MiB of 12 MiB"
            self.assertRegex(said, f"Stopped while uploading .*vhd', with {there} in place")
            self.assertIn("run the same command again", said)
        swift = self.log()
        self.task(*words[2:])
        sent = [r for r in swift() if f"{container}_segments/" in r.path and r.status == 201]
        self.assertEqual(["00000004", "00000005", "00000006"], [r.path[-8:] for r in sent])

    def test_task(self):
        """An import's task goes on, and following it or the same command finishes the job."""
        container, disk = self.container(), self.disk(2)
        self.slow_task(container)
        words = ("image", "task", "import", disk, "--wait", "--name", self.name, "--tag", "x")
        words += ("--container", container)
        process = self.begin(*words)
        self.until(self.follows(f"Importing image '{self.name}"))
        said = self.interrupted(process, signal.SIGTERM)
        task = re.search("`openstack image task wait (.*)`", said)[1]
        self.assertIn("run the same command again to follow it", said)
        self.assertEqual(task, self.task(*words[2:]).rows[0]["Task"])
        self.assertEqual([["x"]], [image.tags for image in self.images(self.name, "DFW")])

    def test_save(self):
        """Nothing bears the final name; the same command fetches the rest."""
        row = self.task("import", self.disk(11), "--wait", "--name", self.name).rows[0]
        container, file = self.container(), self.tmp / "saved.vhd"
        where = self.task("export", row["Image"], "--container", container, "--wait").rows[0]
        begun = self.stall(Rule("GET", f"{container}/.*-00003", stall=60, offset=1000))
        words = ("image", "task", "save", where["Location"], "--file", file, "--threads", "1")
        process = self.begin(*words)
        self.until(begun)
        said = self.interrupted(process)
        self.assertIn("run the same command again", said)
        self.assertFalse(file.exists())
        saved = self.task(*words[2:]).rows[0]
        self.assertLess(saved["Fetched"], saved["Size"])
        self.assertEqual(self.fetch(where["Location"]).read_bytes(), file.read_bytes())

    def test_transfer(self):
        """In each of its three parts; the same command then transfers one image."""
        row = self.task("import", self.disk(5), "--wait", "--name", self.name).rows[0]
        words = ("image", "task", "transfer", row["Image"], "--to-region", "ORD")
        self.slow_task(row["Image"])
        self.slow_task(row["Image"], "ORD")
        copying = Rule("PUT", f"_segments/{row['Image']}.*00000001", stall=60)
        for part, begun in (
            ("exporting", self.follows(f"Exporting image '{self.name}")),
            ("copying", self.stall(copying, "ORD")),
            ("importing", self.follows(f"Importing image '{self.name}")),
        ):
            process = self.begin(*words)
            self.until(begun)
            said = self.interrupted(process)
            self.assertIn(f"Stopped while {part} image '{self.name}'", said)
            self.assertIn("run the same command again", said)
        self.assertEqual("transferred", self.task(*words[2:]).rows[0]["Status"])
        self.assertEqual(1, len(self.images(self.name, "ORD")))

    def test_several(self):
        """Of many images none is begun after Ctrl-C, and all that was done is told."""
        rows = [
            self.task("import", self.disk(1), "--wait", "--name", f"{self.name}-{n}").rows[0]
            for n in range(3)
        ]
        ids = [row["Image"] for row in rows]
        self.slow_task(ids[1])
        process = self.begin(*("image", "task", "export", *ids, "--wait", "--concurrency", "1"))
        self.until(self.follows(f"Exporting image '{self.name}-1"))
        said = self.interrupted(process)
        self.assertIn("1 of 3 jobs succeeded, 1 failed or stopped, 1 not started.", said)
        self.assertEqual(1, said.count("openstack image task wait"))
        self.assertNotIn(f"{ids[2]}.vhd", self.objects("image-exports"))

    def test_the_second_ends_at_once(self):
        """Even while the first is being obeyed; and 130 is what it gives."""
        container = self.container()
        begun = self.stall(Rule("PUT", f"{container}/", stall=60))
        process = self.start("image", "task", "import", self.disk(1), "--container", container)
        self.until(begun)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=_SOON)[1]
        self.assertEqual(130, process.returncode)
        self.assertNotIn("Traceback", said)

    def test_on_a_terminal(self):
        """The bars are gone from the screen, the cursor is back, and the last line is the hint."""
        container = self.container()
        self.slow_task(container)
        terminal, end = pty.openpty()
        self.addCleanup(os.close, terminal)
        process = self.start(
            *("image", "task", "import", self.disk(1), "--wait", "--container", container),
            stderr=end,
        )
        os.close(end)
        shown = _read(terminal, until=b"import task")
        process.send_signal(signal.SIGINT)
        self.assertIn(b"import task", shown)
        shown += _read(terminal)
        self.assertEqual(130, process.wait(_SOON))
        last = shown.rpartition(b"import task")[2]
        self.assertIn(b"\x1b[?25h", last)
        self.assertIn(b"\x1b[2K", last)
        self.assertIn(b"Stopped while importing", last)


def _read(terminal, until=None):
    """Read a terminal until something is shown, or else until its program ends."""
    shown = b""
    while (until is None or until not in shown) and select.select([terminal], [], [], _SILENCE)[0]:
        try:
            shown += os.read(terminal, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
    return shown
