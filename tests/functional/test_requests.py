# SPDX-License-Identifier: Apache-2.0
"""The requests that a command sends before the first byte of data, as the documentation has them.

The cloud is this test's own, because the tasks and objects of other tests cost requests.
"""

import re
import threading
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import fixtures
import requests

from tests.functional import cloudcase

PAGE = Path(__file__).parents[2] / "doc" / "source" / "contributor" / "requests.rst"
FLEX = {"cloud": "flex", "region": "SJC3"}
_CELL = re.compile(r"^   [* ] - (.*(?:\n {7}\S.*)*)", re.MULTILINE)
_PATIENCE = 60  # seconds; only a test that fails waits as long
_WORK = frozenset({"PUT object", "POST tasks", "PUT data"})


def documented():
    """Return the table of the page: for each command, its numbers and its round trips."""
    cells = [" ".join(cell.split()) for cell in _CELL.findall(PAGE.read_text())][4:]
    rows = zip(cells[::4], cells[1::4], cells[2::4], cells[3::4], strict=True)
    return {
        command.replace("`", ""): (int(count), int(trips), requests)
        for command, count, trips, requests in rows
    }


class Gate:
    """Holds each request until all that belong to its round trip have arrived.

    A request that waits for the answer to another one of the same round trip never arrives, and one
    that belongs to another round trip is not let in.

    :param trips: the requests of each round trip, one after the other.
    """

    def __init__(self, trips):
        self._trips = trips
        self._passed = 0
        self._arrived = []
        self._changed = threading.Condition()
        self.problem = None

    def enter(self, request):
        """Wait until a request may be sent."""
        with self._changed:
            number = self._passed
            self._arrived.append(request)
            expected = Counter(self._trips[number] if number < len(self._trips) else [])
            if Counter(self._arrived) - expected:
                self._give_up(f"{request} is sent beside {self._arrived}, not {expected}")
            elif Counter(self._arrived) == expected:
                self._passed, self._arrived = number + 1, []
                self._changed.notify_all()
            elif not self._changed.wait_for(lambda: self._is_over(number), _PATIENCE):
                self._give_up(f"only {self._arrived} are sent at the same time, not {expected}")

    def finish(self):
        """Let all requests pass from now on; complain if not all have been sent."""
        with self._changed:
            if self._passed < len(self._trips):
                self._give_up(f"{self._trips[self._passed :]} are not sent")

    def _is_over(self, number):
        return self._passed > number or self.problem

    def _give_up(self, problem):
        self.problem = self.problem or f"after {self._passed} round trips: {problem}"
        self._changed.notify_all()


class RequestsTest(cloudcase.CloudTestCase):
    def setUp(self):
        self.start_cloud("--regions", "DFW,ORD")
        super().setUp()
        places = ({"region": "DFW"}, {"region": "ORD"}, FLEX)
        self.kinds = {
            urlsplit(self.sdk(**place).endpoint_for(kind)).netloc: kind
            for place in places
            for kind in ("image", "object-store")
        }
        self.documented = documented()
        self.actual = {}
        self.gate = None
        self.watch = threading.Lock()
        send = requests.Session.send

        def gated(session, request, **options):
            if self.gate:
                self.pass_gate(self.described(request.method, request.url))
            return send(session, request, **options)

        self.useFixture(fixtures.MonkeyPatch("requests.Session.send", gated))

    def pass_gate(self, request):
        """Send a request through the gate of the running command, which its work opens."""
        with self.watch:
            gate = self.gate
            if gate and request in self.work:
                gate.finish()
                gate = self.gate = None
            elif gate:
                self.before.append(request)
        if gate:
            gate.enter(request)

    def measure(self, command, *words, work=_WORK, **how):
        """Run a command, whose requests must be sent in the round trips that the page has."""
        trips = [trip.split(", ") for trip in self.documented[command][2].split("; ")]
        self.before, self.work, gate = [], work, Gate(trips)
        self.gate = gate
        self.openstack("image", *words, "-f", "json", **how)
        with self.watch:
            self.gate = None
        gate.finish()
        self.assertIsNone(gate.problem, command)
        self.actual[command] = (len(self.before), len(trips), self.documented[command][2])

    def described(self, method, url):
        """Return the method and what the URL is, in words."""
        url = urlsplit(url)
        kind = self.kinds.get(url.netloc, "identity")
        parts = url.path.strip("/").split("/")
        if kind == "image":
            what = parts[1].removesuffix("s") if len(parts) > 2 else parts[1]
            what = "data" if parts[-1] == "file" else what
        elif kind == "object-store":
            what = ("account", "container", "object")[min(len(parts) - 2, 2)]
            what = "marker" if "in-use" in parts else what
        else:
            what = "token" if parts[-1] == "tokens" else "version"
        return f"{method} {what}"

    def test_requests(self):
        """The page has each command with its requests, and which are sent at the same time."""
        path = self.corpus("go-vhd-xapi.vhd")
        container = self.container()
        self.swift().put_object(container, "disk.vhd", path.read_bytes())
        self.measure(
            "image task import --file --dry-run", "task", "import", "--file", path, "--dry-run"
        )
        self.measure(
            "image task import --file", "task", "import", "--file", path, "--wait", "--name", "a"
        )
        source = f"{container}/disk.vhd"
        self.measure("image task import <object> --dry-run", "task", "import", source, "--dry-run")
        self.measure(
            "image task import <object>", "task", "import", source, "--wait", "--name", "b"
        )
        export = ("task", "export", "a", "--container", container)
        self.measure("image task export --dry-run", *export, "--dry-run")
        self.measure("image task export", *export, "--wait")
        self.measure_transfers(path)
        saved = ("task", "save", source, "--file", self.tmp / "saved.vhd")
        self.measure("image task save", *saved, work={"GET object"})
        self.measure_inspections(source)
        self.measure(
            "image task clean --dry-run", "task", "clean", "--container", container, "--dry-run"
        )
        task = next(self.sdk().image.tasks(type="export")).id
        self.measure("image task wait", "task", "wait", task, work=())
        self.assertEqual(self.documented, self.actual)

    def measure_transfers(self, path):
        """Measure transfers between clouds with image tasks and standard ones."""
        file = ("task", "import", "--file", path, "--name", "c")
        self.measure("image task import --file, standard", *file, **FLEX)
        alice, to_ord, to_flex = {}, ("--to-region", "ORD"), ("--to-cloud", "flex")
        for directions, image, target, source in (
            ("tasks to tasks", "a", to_ord, alice),
            ("tasks to standard", "a", to_flex, alice),
            ("standard to tasks", "c", ("--to-cloud", "alice"), FLEX),
            ("standard to standard", "c", ("--to-cloud", "flex-bob"), FLEX),
        ):
            words = ("task", "transfer", image, *target)
            self.measure(
                f"image task transfer --dry-run, {directions}", *words, "--dry-run", **source
            )
            self.measure(f"image task transfer, {directions}", *words, **source)

    def measure_inspections(self, source):
        """Measure inspections; the disk has no operating system, so they find fault with it."""
        self.measure(
            "image disk inspect <object>", "disk", "inspect", source, work={"GET object"}, status=1
        )
        words = ("disk", "inspect", "--image", "c")
        self.measure(
            "image disk inspect --image, standard", *words, work={"GET data"}, status=1, **FLEX
        )
