# SPDX-License-Identifier: Apache-2.0
"""Files by other programs. Their sources and licences are in `tests/corpus/manifest.tsv`.

qemu-img takes the geometry for the size of a disk by VirtualBox, and libvhdi takes the original
size for the current one; the footer's current size is what XenServer, VirtualBox and Hyper-V go by.
"""

import csv
import hashlib
import lzma
from pathlib import Path
from typing import NamedTuple

import fixtures
from oslotest import base

import tests
from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import VhdError
from rackspace_imagetasks.formats.vhd import check, open_disk
from tests.unit.formats.vhd import oracles
from tests.unit.formats.vhd.oracles import digest, run

CORPUS = Path(tests.__file__).parent / "corpus"


class Known(NamedTuple):
    """A row of `expected.tsv`; `-` is None there.

    `qemu` and `libvhdi` are the sizes by qemu-img 7.2 and libvhdi, and `sha256` is that of the
    disk's content as `qemu-img convert -O raw` gave it.
    """

    name: str
    code: int | None
    checks: set[str]
    size: int | None
    qemu: int | None
    libvhdi: int
    blocks: int | None
    sha256: str | None
    why: str


def _table(name):
    with (CORPUS / name).open(newline="") as lines:
        return list(csv.reader(lines, delimiter="\t"))[1:]


def _known(name, code, checks, *sizes_and_blocks, sha256, why):
    numbers = [None if word == "-" else int(word) for word in (code, *sizes_and_blocks)]
    sha256 = None if sha256 == "-" else sha256
    return Known(name, numbers[0], set(checks.split()), *numbers[1:], sha256, why)


KNOWN = [_known(*row[:-2], sha256=row[-2], why=row[-1]) for row in _table("expected.tsv")]


def load(name):
    return lzma.decompress((CORPUS / f"{name}.xz").read_bytes())


class CorpusTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.useFixture(fixtures.TempDir()).path)

    def unpack(self, name):
        path = self.folder / name
        path.write_bytes(load(name))
        return path

    def test_manifest_is_of_these_files(self):
        """Each file is the one whose source and licence the manifest gives, and is in the table."""
        rows = _table("manifest.tsv")
        self.assertEqual([known.name for known in KNOWN], [row[0] for row in rows])
        for name, _size, _source, licence, sha256, _what in rows:
            self.assertEqual(sha256, hashlib.sha256(load(name)).hexdigest())
            self.assertIn(licence, ("Apache-2.0", "MIT"))

    def test_classified(self):
        """Each file gets its code and its findings, and its size."""
        for known in KNOWN:
            with self.subTest(known.name, why=known.why):
                report = check(BytesSource(load(known.name)))
                found = {finding.check for finding in report.findings}
                self.assertEqual((known.code, known.checks), (report.code, found))
                if known.size is None:
                    self.assertIsNone(report.facts)
                else:
                    facts = report.facts
                    self.assertEqual(known.size, facts.virtual_size)
                    self.assertEqual(known.blocks, facts.blocks_allocated)

    def test_only_xenserver_grows(self):
        """Only the disk by XenServer can be resized."""
        reports = {known.name: check(BytesSource(load(known.name))) for known in KNOWN}
        growing = [name for name, report in reports.items() if report.facts and report.facts.grows]
        self.assertEqual(["go-vhd-xapi.vhd"], growing)

    def test_content_as_recorded(self):
        """The disk's content is the one recorded from qemu-img."""
        for known in KNOWN:
            with self.subTest(known.name):
                source = BytesSource(load(known.name), known.name)
                if known.sha256 is None:
                    self.assertRaises(VhdError, open_disk, source)
                else:
                    disk = open_disk(source)
                    size = min(known.qemu, known.size)
                    self.assertEqual(known.sha256, digest(size, disk.read_at))

    def test_libvhdi(self):
        """libvhdi reads the recorded size, and the same content up to that."""
        for known in KNOWN:
            with self.subTest(known.name):
                path = self.unpack(known.name)
                self.assertEqual(known.libvhdi, oracles.libvhdi_size(path))
                if known.sha256:
                    size = min(known.libvhdi, known.size)
                    disk = open_disk(BytesSource(load(known.name)))
                    ours = digest(size, disk.read_at)
                    self.assertEqual(oracles.libvhdi_digest(path, size), ours)

    def test_qemu(self):
        """qemu-img reads the recorded sizes and contents."""
        oracles.require("qemu-img")
        for known in KNOWN:
            with self.subTest(known.name):
                path = self.unpack(known.name)
                if known.qemu is None:
                    self.assertRaises(AssertionError, oracles.qemu_size, path)
                    continue
                self.assertEqual(known.qemu, oracles.qemu_size(path))
                if known.sha256:
                    raw = self.folder / "disk.raw"
                    run("qemu-img", "convert", "-f", "vpc", "-O", "raw", path, raw)
                    content = raw.read_bytes()[: known.size]
                    self.assertEqual(known.sha256, hashlib.sha256(content).hexdigest())
