# SPDX-License-Identifier: Apache-2.0
"""Hypothesis looks for what nobody thought of."""

import contextlib
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource, FileSource
from rackspace_imagetasks.exceptions import VhdError
from rackspace_imagetasks.formats.vhd import Report, VirtualVhd, check, open_disk
from rackspace_imagetasks.formats.vhd._geometry import Geometry
from rackspace_imagetasks.formats.vhd._structures import (
    BatmapHeader,
    DynamicHeader,
    Footer,
    ParentLocator,
)
from rackspace_imagetasks.formats.writer import write_file
from rackspace_imagetasks.messages import Message
from tests.unit.formats.vhd.builder import BLOCK, MIB, Image, by_qemu, dynamic, fixed

settings.register_profile("offline", derandomize=True, deadline=None, database=None)
settings.load_profile("offline")

U8, U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))


def raw(size):
    return st.binary(min_size=size, max_size=size)


FOOTERS = st.builds(
    Footer,
    features=U32,
    version=U32,
    data_offset=U64,
    timestamp=U32,
    creator_application=raw(4),
    creator_version=U32,
    creator_host_os=U32,
    original_size=U64,
    current_size=U64,
    geometry=st.builds(Geometry, U16, U8, U8),
    disk_type=U32,
    uuid=st.uuids(),
    saved_state=U8,
    hidden=U8,
    reserved=raw(426),
)
HEADERS = st.builds(
    DynamicHeader,
    data_offset=U64,
    table_offset=U64,
    version=U32,
    max_table_entries=U32,
    block_size=U32,
    parent_uuid=st.uuids(),
    parent_timestamp=U32,
    reserved1=raw(4),
    parent_name=raw(512),
    parent_locators=st.tuples(*[st.builds(ParentLocator, U32, U32, U32, U32, U64)] * 8),
    reserved2=raw(256),
)
BATMAP_HEADERS = st.builds(
    BatmapHeader,
    map_offset=U64,
    map_sectors=U32,
    version=U32,
    map_checksum=U32,
    marker=U8,
    reserved=raw(483),
)


class StructuresTest(base.BaseTestCase):
    @given(FOOTERS)
    def test_footer(self, footer):
        """A footer of any fields is read as it was written."""
        self.assertEqual(footer, Footer.parse(footer.serialise()))
        self.assertTrue(str(Message(footer.creator)).isprintable())

    @given(HEADERS)
    @settings(max_examples=50)
    def test_header(self, header):
        """A dynamic header of any fields is read as it was written."""
        self.assertEqual(header, DynamicHeader.parse(header.serialise()))

    @given(BATMAP_HEADERS)
    @settings(max_examples=50)
    def test_batmap_header(self, header):
        """A batmap's header of any fields is read as it was written."""
        self.assertEqual(header, BatmapHeader.parse(header.serialise()))

    @given(st.binary(max_size=1100))
    def test_any_bytes(self, content):
        """Any bytes are a structure or a VhdError."""
        for parse in (Footer.parse, DynamicHeader.parse, BatmapHeader.parse):
            try:
                parse(content)
            except VhdError as error:
                self.assertTrue(str(error).endswith("."))


# Values at which sums wrap, signs change and limits lie.
EDGES = (0, 1, 511, 512, 1535, 1536, BLOCK, 2**31, 2**32 - 4097, 2**32 - 1, 2**63, 2**64 - 1)
EDITS = st.tuples(
    st.sampled_from(["footer", "last", "copy", "header", "batmap", "bits", "entry", "put", "cut"]),
    st.integers(0, 1100),
    st.sampled_from([1, 2, 4, 8]),
    st.one_of(st.sampled_from(EDGES), U64),
)


def edit(image, where, at, width, value):
    """Change a VHD in one place, its checksums made right except by `put`."""
    content = (value & (1 << 8 * width) - 1).to_bytes(width, "big")
    if where == "entry":
        image.entry(at % max(1, image.entries), value & 0xFFFFFFFF)
    elif where == "bits":
        image.bits(at % 512, content)
    elif where == "put":
        image.put(at if value % 2 else -1 - at, content)
    elif where == "cut":
        image.cut(at % 4 * 512 + at % 3)
    else:
        last = {"header": 1024, "batmap": 512}.get(where, 512) - width
        getattr(image, where)(min(at, last), width, int.from_bytes(content, "big"))


def survive(test, source):
    """Validate and open any bytes; the only exception allowed is VhdError."""
    test.assertIsInstance(check(source, max_virtual_size=MIB, max_physical_size=MIB), Report)
    try:
        disk = open_disk(source)
    except VhdError:
        return
    for at in (0, disk.size // 2, disk.size - min(disk.size, 600)):
        with contextlib.suppress(VhdError):  # of a block whose bitmap contradicts the batmap
            disk.read_at(at, min(600, disk.size - at))
    for _, extent in zip(range(10), disk.data_extents(), strict=False):
        test.assertLessEqual(extent.offset + extent.length, disk.size)


class DamageTest(base.BaseTestCase):
    @given(st.sampled_from([dynamic, by_qemu, fixed]), st.lists(EDITS, min_size=1, max_size=4))
    @settings(max_examples=2000)
    def test_edited(self, build, edits):
        """A VHD with any fields changed ends in a report, or a VhdError, and few small reads."""
        image = build()
        for change in edits:
            edit(image, *change)
        image.size = max(0, image.size)
        survive(self, image)
        self.assertLess(sum(length for _, length in image.requests), 16 * MIB)

    @given(st.sampled_from([dynamic, fixed]), U32)
    def test_truncated(self, build, size):
        """A VHD that ends anywhere is a report or a VhdError."""
        image = build()
        image.size = size % image.size
        survive(self, image)

    @given(st.binary(max_size=3000))
    def test_noise(self, content):
        """Any bytes are a report or a VhdError."""
        survive(self, BytesSource(content))
        survive(self, BytesSource(content + dynamic(present=()).peek(0, 3584)))


def sparse_disk(size, writes):
    return Image(size, *((at, data) for at, data in writes if at + len(data) <= size))


LAYOUTS = st.builds(
    sparse_disk,
    st.integers(1, 12 * MIB),
    st.lists(st.tuples(st.integers(0, 12 * MIB), st.binary(min_size=1, max_size=5000)), max_size=6),
)


class RoundTripTest(base.BaseTestCase):
    @given(LAYOUTS, st.lists(st.tuples(U32, U32), max_size=12))
    @settings(max_examples=150)
    def test_written_read_and_viewed(self, disk, ranges):
        """The disk read from a written VHD is the original; view and file are the same."""
        vhd = VirtualVhd(disk)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "disk.vhd"
            write_file(vhd, path)
            with FileSource(path) as file:
                self.assertEqual((), check(file).errors)
                inner = open_disk(file)
                self.assertEqual(disk.peek(0, disk.size), inner.read_at(0, disk.size))
                padding = inner.size - disk.size
                self.assertEqual(bytes(padding), inner.read_at(disk.size, padding))
                for start, length in ranges:
                    at = start % vhd.size
                    amount = length % (vhd.size - at)
                    self.assertEqual(file.read_at(at, amount), vhd.read_at(at, amount))
