# SPDX-License-Identifier: Apache-2.0
"""Checks of the footer: that there is one, that both copies agree, and each of its fields."""

import time
from collections.abc import Iterator

from rackspace_imagetasks.formats.vhd.footers import Footers
from rackspace_imagetasks.formats.vhd.report import (
    CONVERT,
    GET_AGAIN,
    HAS_PARENT,
    NO_UUID,
    NOT_A_VHD,
    REPAIR,
    UNSUPPORTED_TYPE,
    Finding,
    broken,
    flaw,
    warning,
)
from rackspace_imagetasks.formats.vhd.structures import (
    BLOCK_SIZE,
    EPOCH,
    FOOTER_SIZE,
    NO_OFFSET,
    SHORT_FOOTER_SIZE,
    VERSION,
    DiskType,
    Footer,
)
from rackspace_imagetasks.formats.vhd.window import Window
from rackspace_imagetasks.text import format_size
from rackspace_imagetasks.units import SECTOR

_MAKE_VHD = "'openstack image vhd convert' makes a VHD of it."
_MAKE_VHD_OF_RAW = (
    "If it is one, 'openstack image vhd convert --source-format raw' makes a VHD of it."
)
_MAGICS = (
    (b"QFI\xfb", "a qcow2 image", _MAKE_VHD),
    (b"vhdxfile", "a VHDX image", _MAKE_VHD),
    (b"KDMV", "a VMDK image", _MAKE_VHD),
    (b"# Disk DescriptorFile", "the description of a VMDK image", _MAKE_VHD),
    (b"<<< ", "a VDI image", _MAKE_VHD),
    (b"\x1f\x8b", "compressed by gzip", "Decompress it first."),
    (b"\xfd7zXZ\0", "compressed by xz", "Decompress it first."),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "Decompress it first."),
    (b"BZh", "compressed by bzip2", "Decompress it first."),
    (b"PK\x03\x04", "a ZIP archive", "Unpack it first."),
)
# The specification's text has 32 one bits for a fixed disk, its field and all writers have 64.
_NO_DATA_OFFSETS = (NO_OFFSET, 0xFFFF_FFFF)


def missing_footer(window: Window, footers: Footers) -> Finding:
    """Say why a file is not a VHD."""
    where, size = f"offset {max(0, window.size - FOOTER_SIZE)}", window.size
    if size == 0:
        return broken("empty", "The file is empty.", "offset 0", code=NOT_A_VHD)
    if size < SHORT_FOOTER_SIZE:
        detail = f"The file has {size} bytes, fewer than a VHD's footer of 512."
        return broken("too-short", detail, "offset 0", code=NOT_A_VHD)
    if footers.poisoned:
        return poisoned(where)
    if footers.tail.startswith(Footer.COOKIE) or footers.head.startswith(Footer.COOKIE):
        detail = "The checksum of the footer does not match its content, and no valid copy exists."
        return broken("footer-checksum", detail, where, code=NOT_A_VHD)
    looks, remedy = _resemblance(footers.head, size)
    detail = f"The file does not end in a VHD's footer ('conectix'); it looks like {looks}."
    return broken("no-footer", detail, where, remedy, code=NOT_A_VHD)


def _resemblance(head: bytes, size: int) -> tuple[str, str]:
    for magic, looks, remedy in _MAGICS:
        if head.startswith(magic):
            return looks, remedy
    if size % SECTOR:
        return "no disk, as it does not have whole sectors", ""
    return "a raw disk", _MAKE_VHD_OF_RAW


def poisoned(where: str) -> Finding:
    """Say that XenServer has killed the disk."""
    detail = "The footer's cookie is 'v_poison': XenServer has marked this disk as destroyed."
    return broken("poisoned", detail, where, code=NOT_A_VHD)


def footer_places(window: Window, footers: Footers, footer: Footer) -> Iterator[Finding]:
    """Check where the footer is and that both copies agree."""
    where = f"offset {footers.data_end}"
    if footers.poisoned:
        yield poisoned(where)
    elif footers.last is None:
        yield _tail_lost(footers, where)
    if footers.trailing:
        detail = f"{footers.trailing} bytes follow the footer, which must be the last 512."
        remedy = f"Cut the file to {window.size - footers.trailing} bytes."
        yield flaw("trailing-bytes", detail, f"offset {footers.data_end + FOOTER_SIZE}", remedy)
    if len(footers.tail) == SHORT_FOOTER_SIZE:
        detail = "The footer has 511 bytes, as Virtual PC wrote it before 2004."
        yield warning("footer-short", detail, where, CONVERT)
    if footers.last and footer.has_header:
        yield from _copy_findings(footers)
    if footer.disk_type == DiskType.FIXED:
        yield from _fixed_findings(window, footers, footer)


def _tail_lost(footers: Footers, where: str) -> Finding:
    remedy = f"The copy at offset 0 is good: {REPAIR}"
    if footers.tail.startswith(Footer.COOKIE):
        detail = "The checksum of the footer at the end does not match its content."
        return flaw("footer-damaged", detail, where, remedy)
    detail = "The file does not end in the footer whose copy is at offset 0: it was cut or damaged."
    return flaw("footer-missing", detail, where, remedy)


def _copy_findings(footers: Footers) -> Iterator[Finding]:
    remedy = f"The footer at the end is good: {REPAIR}"
    if footers.copy is None:
        detail = "There is no valid copy of the footer at the beginning of the file."
        yield flaw("footer-copy-damaged", detail, "offset 0", remedy)
    elif footers.copy != footers.last:
        detail = "The footer's copy at the beginning of the file differs from the footer."
        if _same_disk(footers.copy, footers.last):
            yield flaw("footer-copy-differs", detail, "offset 0", remedy)
        else:
            yield broken("footer-copy-differs", detail, "offset 0", GET_AGAIN)


def _same_disk(one: Footer, other: Footer | None) -> bool:
    """Tell whether both footers lead to the same blocks of the same disk."""
    return other is not None and all(
        getattr(one, field) == getattr(other, field)
        for field in ("disk_type", "current_size", "data_offset")
    )


def _fixed_findings(window: Window, footers: Footers, footer: Footer) -> Iterator[Finding]:
    if window.size >= 2 * FOOTER_SIZE and footers.head.startswith(Footer.COOKIE):
        detail = (
            "The file ends as a fixed VHD and begins as a dynamic one, so programs will disagree"
            " on what it holds."
        )
        yield broken("polyglot", detail, "offset 0", GET_AGAIN)
    if footers.data_end != footer.current_size:
        detail = (
            f"A fixed VHD of {footer.current_size} bytes has that many before its footer; this"
            f" file has {footers.data_end}."
        )
        yield broken("fixed-length", detail, "footer offset 48", GET_AGAIN)


def footer_fields(footer: Footer, file_size: int) -> Iterator[Finding]:
    """Check each field of a valid footer."""
    yield from _type_findings(footer)
    yield from _constant_findings(footer)
    yield from _data_offset_findings(footer, file_size)
    yield from _growth_findings(footer)
    yield from _size_findings(footer)


def _type_findings(footer: Footer) -> Iterator[Finding]:
    if footer.disk_type == DiskType.DIFFERENCING:
        detail = "The disk is a differencing one: it holds only what differs from a parent disk."
        remedy = "Merge it with its parent and import the merged disk."
        yield broken("has-parent", detail, "footer offset 60", remedy, code=HAS_PARENT)
    elif footer.disk_type not in (DiskType.FIXED, DiskType.DYNAMIC):
        detail = f"The disk type is {footer.disk_type}, neither fixed (2) nor dynamic (3)."
        yield broken("disk-type", detail, "footer offset 60", code=UNSUPPORTED_TYPE)
    if not footer.uuid.int:
        detail = "The disk's UUID is all zeros."
        yield flaw("zero-uuid", detail, "footer offset 68", code=NO_UUID)


def _constant_findings(footer: Footer) -> Iterator[Finding]:
    # Bit 1 is always set, and bit 0 says that the disk is temporary; the others are reserved.
    if footer.features not in (2, 3):
        detail = f"The features are {footer.features:#x}; only 2 and 3 are defined."
        yield flaw("features", detail, "footer offset 8")
    if footer.version != VERSION:
        detail = f"The format version is {footer.version:#010x}, not {VERSION:#010x}."
        yield flaw("footer-version", detail, "footer offset 12")
    if footer.saved_state > 1:
        detail = f"The saved state is {footer.saved_state}; only 0 and 1 are defined."
        yield flaw("saved-state", detail, "footer offset 84")
    if footer.hidden:
        detail = f"The disk is marked as hidden ({footer.hidden}): XenServer will not use it."
        yield flaw("hidden", detail, "footer offset 85")
    if any(footer.reserved):
        place = next(place for place, byte in enumerate(footer.reserved, 86) if byte)
        detail = "The reserved bytes at the end of the footer are not all zero."
        yield flaw("footer-reserved", detail, f"footer offset {place}")


def _data_offset_findings(footer: Footer, file_size: int) -> Iterator[Finding]:
    offset, where = footer.data_offset, "footer offset 16"
    if footer.disk_type == DiskType.FIXED:
        if offset not in _NO_DATA_OFFSETS:
            detail = f"A fixed disk has no dynamic header, but its offset is given as {offset}."
            yield flaw("data-offset", detail, where)
    elif footer.has_header and (offset < FOOTER_SIZE or offset >= file_size or offset % SECTOR):
        detail = f"The dynamic header cannot be at offset {offset} of {file_size} bytes."
        yield broken("data-offset", detail, where)


def _growth_findings(footer: Footer) -> Iterator[Finding]:
    if not footer.by_xenserver:
        detail = (
            f"The disk was created by '{footer.creator}', not by XenServer ('tap'): it will not"
            " grow to a flavor's size."
        )
        yield warning("creator", detail, "footer offset 28", CONVERT)
    if footer.saved_state == 1:
        detail = "The disk belongs to a suspended machine (saved state 1)."
        yield warning("saved-state", detail, "footer offset 84", CONVERT)
    if footer.timestamp > time.time() - EPOCH.timestamp():
        detail = f"The disk's time of creation, {footer.created:%Y-%m-%d %H:%M}, is in the future."
        yield warning("future-timestamp", detail, "footer offset 24", CONVERT)


def _size_findings(footer: Footer) -> Iterator[Finding]:
    size, where = footer.current_size, "footer offset 48"
    if size == 0:
        yield broken("size-zero", "The disk's size is 0.", where)
    elif size % SECTOR:
        detail = f"The disk's size of {size} bytes is not a multiple of a sector's 512."
        yield flaw("size-unaligned", detail, where)
    elif size % BLOCK_SIZE:
        detail = (
            f"The disk's size of {size} bytes is not a multiple of 2 MiB: XenServer may lose the"
            " last part of the disk when it grows."
        )
        yield warning("size-not-2mib", detail, where, CONVERT)
    if 0 < size < footer.geometry.size:
        detail = (
            f"The geometry addresses {format_size(footer.geometry.size)}, more than the disk's"
            f" {format_size(size)}; XenServer's tools refuse that."
        )
        yield warning("geometry-beyond-size", detail, "footer offset 56", CONVERT)
