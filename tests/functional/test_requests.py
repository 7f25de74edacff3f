# SPDX-License-Identifier: Apache-2.0
"""The requests that a command sends before the first byte of data, as the documentation has them.

The cloud is this test's own, because the tasks and objects of other tests cost requests.
"""

import itertools
import re
from pathlib import Path
from urllib.parse import urlsplit

from tests.functional import cloudcase

PAGE = Path(__file__).parents[2] / "doc" / "source" / "contributor" / "requests.rst"
_CELL = re.compile(r"^   [* ] - (.*(?:\n {7}\S.*)*)", re.MULTILINE)


def documented():
    """Return the table of the page: for each command, the requests in their order."""
    cells = [" ".join(cell.split()) for cell in _CELL.findall(PAGE.read_text())][3:]
    rows = zip(cells[::3], cells[1::3], cells[2::3], strict=True)
    return {command.strip("`"): (int(count), requests) for command, count, requests in rows}


class RequestsTest(cloudcase.CloudTestCase):
    def setUp(self):
        self.start_cloud("--regions", "DFW,ORD")
        super().setUp()
        self.kinds = {
            urlsplit(self.sdk(region=region).endpoint_for(kind)).netloc: kind
            for region in ("DFW", "ORD")
            for kind in ("image", "object-store")
        }
        self.actual = {}

    def measure(self, command, *words, work=("PUT object", "POST tasks"), **how):
        """Run a command, and keep what it sends before its work begins; all if it has none."""
        del self.sent[:]
        self.openstack("image", *words, "-f", "json", **how)
        sent = [self.described(*one) for one in self.sent]
        before = list(itertools.takewhile(lambda one: one not in work, sent))
        self.actual[command] = (len(before), ", ".join(before))

    def described(self, method, url):
        """Return the method and what the URL is, in words."""
        url = urlsplit(url)
        kind = self.kinds.get(url.netloc, "identity")
        parts = url.path.strip("/").split("/")
        if kind == "image":
            what = parts[1].removesuffix("s") if len(parts) > 2 else parts[1]
        elif kind == "object-store":
            what = ("account", "container", "object")[min(len(parts) - 2, 2)]
            what = "marker" if "in-use" in parts else what
        else:
            what = "token" if parts[-1] == "tokens" else "version"
        return f"{method} {what}"

    def test_requests(self):
        """The page has each command with its requests, in the order in which they are sent."""
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
        to = ("--to-region", "ORD")
        self.measure(
            "image task transfer --to-region --dry-run", "task", "transfer", "a", *to, "--dry-run"
        )
        self.measure("image task transfer --to-region", "task", "transfer", "a", *to)
        saved = ("task", "save", source, "--file", self.tmp / "saved.vhd")
        self.measure("image task save", *saved, work=("GET object",))
        inspect = ("disk", "inspect", source)  # this disk has no operating system
        self.measure("image disk inspect", *inspect, work=("GET object",), status=1)
        self.measure(
            "image task clean --dry-run", "task", "clean", "--container", container, "--dry-run"
        )
        task = next(self.sdk().image.tasks(type="export")).id
        self.measure("image task wait", "task", "wait", task, work=())
        self.assertEqual(documented(), self.actual)
