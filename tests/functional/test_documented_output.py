# SPDX-License-Identifier: Apache-2.0
"""The console sessions of the README and the documentation, run as the reader would run them.

Each page has a cloud and a directory of its own, and its commands run in order. With
`UPDATE_DOCS=1` in the environment (`make docs-output`), output that differs is written into the
page in place of what it shows.
"""

import contextlib
import functools
import io
import multiprocessing
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import ClassVar

import fixtures
from oslotest import base
from testscenarios import load_tests_apply_scenarios
from testtools.matchers import Equals

from devcloud import faults
from devcloud.faults import Rule
from tests.functional import cloudcase, pages
from tests.functional.preparations import PREPARATIONS, interrupted

# Why nothing on a page is run.
PAGES_NOT_RUN = {
    "index": "the commands of the user guide, without their output",
    "install/index": "installs packages and logs in to the reader's own cloud",
    "user/settings": "installs a package",
    "contributor/index": "runs the test suite that this test is part of",
    "contributor/testing": "runs the test suite that this test is part of",
    "contributor/benchmarks": "takes an hour, and its figures differ each time",
}
# Why single commands are not run.
COMMANDS_NOT_RUN = {
    ("contributor/devcloud", command): reason
    for command, reason in {
        "python -m devcloud up --root cloud": "runs until it is stopped",
        "export OS_CLIENT_CONFIG_FILE=$PWD/cloud/clouds.yaml OS_CLOUD=alice OS_REGION_NAME=DFW": (
            "changes the reader's shell"
        ),
        "openstack image task import disk.qcow2 --wait": "a command of the user guide",
        "python -m devcloud run -- openstack --os-cloud alice --os-region-name DFW image list": (
            "starts a cloud of its own"
        ),
    }.items()
}

# testscenarios multiplies `PagesTest`.
load_tests = load_tests_apply_scenarios

TROUBLE = pages.SOURCE / "user" / "trouble.rst"
_ROW = re.compile(r"^   \* - (.+)\n     - (.+)\n     - (.+)$", re.MULTILINE)
_UPDATE = os.environ.get("UPDATE_DOCS") == "1"


def _pages_to_run():
    return {
        name: page
        for name, page in pages.all_pages().items()
        if any(_is_run(page, command) for command in page.commands())
    }


def _is_run(page: pages.Page, command: pages.Command) -> bool:
    return page.name not in PAGES_NOT_RUN and (page.name, command.text) not in COMMANDS_NOT_RUN


class MarksTest(base.BaseTestCase):
    """Reasons and preparations are those that the pages need."""

    def setUp(self):
        super().setUp()
        self.shown = [
            (page, command) for page in pages.all_pages().values() for command in page.commands()
        ]

    def test_every_reason_is_needed(self):
        """What is marked as not run is on a page."""
        self.assertLessEqual(set(PAGES_NOT_RUN), {page.name for page, _command in self.shown})
        shown = {(page.name, command.text) for page, command in self.shown}
        self.assertEqual(set(), set(COMMANDS_NOT_RUN) - shown)

    def test_every_preparation_is_used(self):
        """The names of preparations in the pages are those that exist."""
        used = {name for _page, command in self.shown for name in command.preparations}
        self.assertEqual(set(PREPARATIONS), used)


class FailureTablesTest(cloudcase.CloudTestCase):
    """The tables of failures on the page about troubleshooting."""

    def test_meanings_and_hints(self):
        """The command explains a task that fails with a code or a text as the table does."""
        text = TROUBLE.read_text()
        rows = [row for row in _ROW.findall(text) if row[0] not in ("Code", "Text")]
        self.assertEqual(9, len(rows))
        self.sdk().object_store.create_container(container := f"failures-{self.mark}")
        for row in rows:
            printed = self.explanation(row[0], container)
            text = text.replace(_row(row), _row(printed))
            if not _UPDATE:
                self.assertEqual(row, printed)
        if _UPDATE:
            TROUBLE.write_text(text)

    def explanation(self, code, container):
        """Have an import fail with a code or text; return it with its meaning and the hint."""
        message = f"Error {code}: refused" if code.isdigit() else f"{code} in {container}"
        rule = Rule("TASK", f"/import/{container}/", body=message)
        injected = self.inject(rule, service="glance")
        task = self.sdk().image.create_task(
            type="import",
            input={
                "image_properties": {"name": self.mark},
                "import_from": f"{container}/{self.mark}",
            },
        )
        said = self.openstack("image", "task", "wait", task.id, status=1).stderr
        self.assertEqual([1], injected.fired())
        found = re.search(rf" failed: (.+?\.) .*{re.escape(message)}\. (.+)$", said, re.M)
        self.assertIsNotNone(found, said)
        meaning, hint = (part.replace("`", "``") for part in found.groups())
        return code, meaning[0].upper() + meaning[1:], hint


def _row(cells):
    return "   * - " + "\n     - ".join(cells)


class OwnCloud(fixtures.Fixture):
    """A development cloud of the page's own, with the service's own segment size."""

    def _setUp(self):  # noqa: N802  # as fixtures calls it
        self.root = Path(self.useFixture(fixtures.TempDir()).path) / "cloud"
        process = subprocess.Popen(
            [sys.executable, "-m", "devcloud", "up", "--root", str(self.root)],
            cwd=pages.ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.terminate)
        if not process.stdout.readline().startswith("READY"):
            raise RuntimeError("the development cloud did not start")
        for name, value in {
            "DEVCLOUD_ROOT": str(self.root),
            "OS_CLIENT_CONFIG_FILE": str(self.root / "clouds.yaml"),
            "OS_CLOUD": "alice",
            "OS_REGION_NAME": "DFW",
            "COLUMNS": "80",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }.items():
            self.useFixture(fixtures.EnvironmentVariable(name, value))


class PagesTest(cloudcase.CloudTestCase):
    """A page whose commands are run, in a directory of its own."""

    scenarios: ClassVar = [(name, {"page": page}) for name, page in _pages_to_run().items()]

    def setUp(self):
        if not shutil.which("qemu-img"):
            self.skipTest("qemu-img writes the disks that the pages show")
        self.useFixture(OwnCloud())
        super().setUp()
        self.addCleanup(os.chdir, Path.cwd())
        os.chdir(self.tmp)
        self.translation = pages.Translation()
        self._faults = contextlib.ExitStack()
        self.addCleanup(self._faults.close)
        self._injected, self._condition = [], None

    def test_output(self):
        """Each command prints exactly what the page shows."""
        outputs = {}
        page = pages.Page(self.page.name, self.page.path)  # another test may have rewritten it
        for command in page.commands():
            if _is_run(page, command):
                shown = self._shown(command)
                if shown != command.output:
                    outputs[command] = shown
        if _UPDATE:
            page.rewrite(outputs)
        for command, shown in () if _UPDATE else outputs.items():
            self.expectThat(shown, Equals(command.output), command.text)

    def _shown(self, command):
        self._faults.close()
        self._injected, self._condition = [], None
        for name in command.preparations:
            PREPARATIONS[name](self)
        output = self._output(self.translation.real(command.text))
        self.assertNotIn("Traceback", output)
        self.assertNotIn([0], [injected.fired() for injected in self._injected])
        return self.translation.shown(output, command.output)

    def _output(self, command):
        words = shlex.split(command)
        if self._condition is not None:
            words[0] = str(Path(sys.executable).with_name(words[0]))
            output = interrupted(words, self._condition)
        elif words[0] == "openstack":
            output = _forked(words[1:])[1]
        else:
            output = subprocess.run(
                command,
                shell=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, "PYTHONPATH": str(pages.ROOT)},
                check=False,
            ).stdout
        return "\n".join(line.rstrip() for line in output.strip("\n").splitlines())

    # What preparations use.

    def run_client(self, command, status=0):
        """Run an `openstack` command."""
        ended, output = _forked(shlex.split(command)[1:])
        self.assertEqual(status, ended, output)

    def tool(self, command):
        """Run another program that must succeed."""
        subprocess.run(shlex.split(command), check=True)

    def inject(self, *rules, region="DFW", service="swift"):
        """Order faults until the next command has ended."""
        return self._faults.enter_context(faults.inject(self.root, region, *rules, service=service))

    def interrupt_when(self, condition):
        """Send SIGINT to the next command once the condition holds."""
        self._condition = condition

    def has_running_task(self):
        """Tell whether a task of this project is under way."""
        return any(task.status == "processing" for task in self.sdk().image.tasks())

    def image_id(self, name):
        """Return the ID of an image."""
        return self.sdk().image.find_image(name, ignore_missing=False).id


def _forked(words):
    """Run the `openstack` client; return its exit status, and stdout and stderr as on a terminal.

    A copy of this process spares the time of loading, and what the client remembers of a cloud
    goes with it.
    """
    _load_client()
    with tempfile.TemporaryFile("w+") as stream:
        child = multiprocessing.get_context("fork").Process(target=_client, args=(words, stream))
        child.start()
        child.join()
        stream.seek(0)
        return child.exitcode, stream.read()


@functools.cache
def _load_client():
    """Load what every command loads, by one that fails before it asks a cloud."""
    cloudcase.run_client(["image", "vhd", "show", "nosuch"], io.StringIO(), io.StringIO())


def _client(words, stream):
    status = cloudcase.run_client(words, stream, stream)
    stream.flush()
    os._exit(status)
