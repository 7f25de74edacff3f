# SPDX-License-Identifier: Apache-2.0
"""Hives of the registry: those that hivexsh writes, lists that it does not, and damaged ones."""

import struct
from pathlib import Path

import fixtures
from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.guest.filesystems.base import Damaged, Volume
from rackspace_imagetasks.guest.systems._registry import Hive
from tests.unit.formats.vhd.oracles import run
from tests.unit.guest import hives
from tests.unit.guest.mutation import Recorder, mutations, read_ranges, survive

NAMES = tuple(hives.SERVER_2022)


def look(source):
    hive = Hive(Volume(source))
    key = hive.key(hives.CURRENT_VERSION)
    return hive.values(key, NAMES) if key else None


class HiveTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.path = Path(self.useFixture(fixtures.TempDir()).path) / "SOFTWARE"
        products = {f"Microsoft\\Product {number}": {} for number in range(40)}
        hives.make(self.path, {**products, "Classes": {}, hives.CURRENT_VERSION: hives.SERVER_2022})
        self.content = self.path.read_bytes()

    def test_same_as_hivexget(self):
        """The values are those that hivexget reads."""
        values = look(BytesSource(self.content))
        self.assertEqual(set(NAMES), set(values))
        for name in NAMES:
            expected = run("hivexget", self.path, hives.CURRENT_VERSION, name).rstrip("\n")
            if expected.startswith("0x"):
                expected = str(int(expected, 16))
            self.assertEqual(expected, values[name])

    def test_keys(self):
        """Keys are found whatever their case; a missing one is None."""
        hive = Hive(Volume(BytesSource(self.content)))
        for path in ("MICROSOFT\\product 39", "classes", "Microsoft\\WINDOWS nt"):
            self.assertIsNotNone(hive.key(path), path)
        for path in ("Microsoft\\Product 40", "Classes\\x", "x", ""):
            self.assertIsNone(hive.key(path), path)

    def test_few_reads(self):
        """A key is found without reading the keys beside it."""
        recorder = Recorder(BytesSource(self.content))
        Hive(Volume(recorder)).key("Microsoft\\Product 20")
        self.assertLess(len(recorder.reads), 30)

    def relisted(self, kind):
        """Return the hive with the list of the keys in `Microsoft` in another form."""
        hive = Hive(Volume(BytesSource(self.content)))
        key = hive.key("Microsoft")
        start = 4096 + key.subkeys_at + 4
        self.assertEqual((b"lh", key.subkeys), struct.unpack_from("<2sH", self.content, start))
        pairs = struct.unpack_from(f"<{2 * key.subkeys}I", self.content, start + 4)
        if kind == b"li":
            entries = pairs[::2]
        else:
            names = {at: self.content[4096 + at + 4 + 76 :][:4] for at in pairs[::2]}
            entries = [each for at in pairs[::2] for each in (at, *struct.unpack("<I", names[at]))]
        changed = struct.pack(f"<2sH{len(entries)}I", kind, key.subkeys, *entries)
        return self.content[:start] + changed + self.content[start + len(changed) :]

    def test_other_lists(self):
        """Lists without hashes, and those of Windows 2000 with first letters, are read."""
        for kind in (b"li", b"lf"):
            values = look(BytesSource(self.relisted(kind)))
            self.assertEqual("Windows Server 2022 Standard", values["ProductName"])

    def test_list_of_lists(self):
        """A list of lists is followed, but only one level deep."""
        hive = Hive(Volume(BytesSource(self.content)))
        old = hive.key("Microsoft").subkeys_at
        new = len(self.content) - 4096
        more = struct.pack("<i2sHI", -16, b"ri", 1, old).ljust(16, b"\0")
        content = self.content.replace(struct.pack("<I", old), struct.pack("<I", new)) + more
        self.assertEqual(NAMES[0] in look(BytesSource(content)), True)
        nested = content[:-16] + struct.pack("<i2sHI", -16, b"ri", 1, new).ljust(16, b"\0")
        self.assertRaises(Damaged, look, BytesSource(nested))

    def test_dirty(self):
        """Different sequence numbers say that changes are in the log alone."""
        self.assertTrue(Hive(Volume(BytesSource(self.content))).is_clean)
        dirty = self.content[:4] + struct.pack("<I", 99) + self.content[8:]
        self.assertFalse(Hive(Volume(BytesSource(dirty))).is_clean)

    def test_mutants(self):
        """Damaged hives end in source errors, and are read in a limited number of reads."""
        source = BytesSource(self.content)
        ranges = read_ranges(source, look)
        results = [survive(mutant, look) for mutant in mutations(source, ranges, seed=1, count=500)]
        self.assertIn(True, results)
        self.assertIn(False, results)
