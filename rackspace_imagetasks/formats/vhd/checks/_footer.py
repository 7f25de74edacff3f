# SPDX-License-Identifier: Apache-2.0
"""Checks of the footer: its existence, its copy and each of its fields."""

import time
from collections.abc import Iterator

from rackspace_imagetasks.formats.signatures import recognise
from rackspace_imagetasks.formats.vhd._file import VhdFile
from rackspace_imagetasks.formats.vhd._footers import Footers
from rackspace_imagetasks.formats.vhd._geometry import Geometry, geometry_of
from rackspace_imagetasks.formats.vhd._structures import (
    BLOCK_SIZE,
    EPOCH,
    FOOTER_SIZE,
    NO_OFFSET,
    SHORT_FOOTER_SIZE,
    VERSION,
    DiskType,
    Footer,
)
from rackspace_imagetasks.formats.vhd.report import (
    HAS_PARENT,
    NO_UUID,
    NOT_A_VHD,
    UNSUPPORTED_TYPE,
    Finding,
    broken,
    flaw,
    warning,
)
from rackspace_imagetasks.messages import Hint
from rackspace_imagetasks.units import SECTOR

_UNPACK_HINTS = {
    "gzip": Hint.DECOMPRESS_GZIP,
    "xz": Hint.DECOMPRESS_XZ,
    "zstd": Hint.DECOMPRESS_ZSTD,
    "bzip2": Hint.DECOMPRESS_BZIP2,
    "7z": Hint.UNPACK_7Z,
    "zip": Hint.UNPACK_ZIP,
    "tar": Hint.UNPACK_TAR,
    "iso": Hint.INSTALL_FROM_CD,
}
# The versions of the creator `tap` that XenServer's tools can open and accept.
_TAP_VERSIONS = range(0x0001_0000, 0x0001_0003 + 1)
_CLOCK_TOLERANCE = 30 * 60  # seconds that a timestamp may be ahead


def missing_footer(file: VhdFile) -> Finding:
    """Return why a file without a valid footer is not a VHD."""
    size = file.size
    where = f"offset {max(0, size - FOOTER_SIZE)}"
    if size == 0:
        return broken("empty", "The file is empty.", "offset 0", code=NOT_A_VHD)
    if size < SHORT_FOOTER_SIZE:
        detail = f"The file has {size} bytes, fewer than the 512 of a VHD footer."
        return broken("too-short", detail, "offset 0", code=NOT_A_VHD)
    if file.footers.poisoned:
        return poisoned(where)
    return _displaced_footer(file, where) or _other_format(file, where)


def _displaced_footer(file: VhdFile, where: str) -> Finding | None:
    """Return the finding of a VHD whose footers are damaged or displaced."""
    footers = file.footers
    if footers.any_cookie:
        detail = "The checksum of the footer does not match its content, and no valid copy exists."
        return broken("footer-checksum", detail, where, code=NOT_A_VHD)
    if file.has_orphaned_header:
        detail = "The file has a dynamic header ('cxsparse'), but no valid footer."
        return broken("footer-lost", detail, where, Hint.GET_FILE_AGAIN, code=NOT_A_VHD)
    if footers.stray is not None:
        detail = "The file does not end with a VHD footer; the one before its end does not match."
        stray_at = f"offset {footers.stray}"
        return broken("footer-stray", detail, stray_at, Hint.GET_FILE_AGAIN, code=NOT_A_VHD)
    return None


def _other_format(file: VhdFile, where: str) -> Finding:
    looks_like, hint = _resemblance(file)
    detail = f"The file does not end with a VHD footer ('conectix'); it looks like {looks_like}."
    return broken("no-footer", detail, where, hint, code=NOT_A_VHD)


def _resemblance(file: VhdFile) -> tuple[str, Hint | None]:
    for signature in recognise(file.window):
        return signature.description, _UNPACK_HINTS.get(signature.format, Hint.CONVERT_TO_VHD)
    if file.size % SECTOR:
        return "no disk, because its size is not a multiple of 512 bytes", None
    return "a raw disk", Hint.CONVERT_RAW_TO_VHD


def poisoned(where: str) -> Finding:
    """Return the finding of a disk that XenServer has destroyed."""
    detail = "The cookie of the footer is 'v_poison': XenServer has marked this disk as destroyed."
    return broken("poisoned", detail, where, code=NOT_A_VHD)


def footer_places(file: VhdFile, footer: Footer) -> Iterator[Finding]:
    """Check the position of the footer, and that both copies agree."""
    footers = file.footers
    where = f"offset {footers.data_end}"
    if footers.poisoned:
        yield poisoned(where)
    elif footers.last is None:
        yield _footer_lost(footers, where)
    if footers.trailing:
        yield _trailing_bytes(file)
    if footers.is_short:
        detail = "The footer has 511 bytes, as Virtual PC wrote it before 2004."
        yield warning("footer-short", detail, where, Hint.CONVERT_VHD)
    if footers.last and footer.has_header:
        yield from _copy_findings(footers)
    if footer.disk_type == DiskType.FIXED:
        yield from _fixed_findings(file, footer)


def _trailing_bytes(file: VhdFile) -> Finding:
    trailing = file.footers.trailing
    return flaw(
        "trailing-bytes",
        f"The footer is followed by {trailing} bytes; it must be at the end of the file.",
        f"offset {file.footers.data_end + FOOTER_SIZE}",
        Hint.TRUNCATE_FILE,
        values={"size": file.size - trailing},
    )


def _footer_lost(footers: Footers, where: str) -> Finding:
    if footers.tail.startswith(Footer.COOKIE):
        detail = (
            "The checksum of the footer at the end does not match its content; the copy at offset 0"
            " is valid."
        )
        return flaw("footer-damaged", detail, where, Hint.REPAIR_VHD)
    detail = (
        "The file does not end with a footer, but has a valid copy at offset 0: it was truncated or"
        " damaged."
    )
    return flaw("footer-missing", detail, where, Hint.REPAIR_VHD)


def _copy_findings(footers: Footers) -> Iterator[Finding]:
    if footers.copy is None:
        detail = "The footer at the end is valid, but its copy at the beginning is missing."
        yield flaw("footer-copy-damaged", detail, "offset 0", Hint.REPAIR_VHD)
    elif footers.copy != footers.last:
        detail = "The copy of the footer at the beginning differs from the footer at the end."
        if _same_disk(footers.copy, footers.last):
            yield flaw("footer-copy-differs", detail, "offset 0", Hint.REPAIR_VHD)
        else:
            yield broken("footer-copy-differs", detail, "offset 0", Hint.GET_FILE_AGAIN)


def _same_disk(one: Footer, other: Footer | None) -> bool:
    """Return whether both footers locate the same blocks of the same disk."""
    return other is not None and all(
        getattr(one, field) == getattr(other, field)
        for field in ("disk_type", "current_size", "data_offset")
    )


def _fixed_findings(file: VhdFile, footer: Footer) -> Iterator[Finding]:
    footers = file.footers
    if file.size >= 2 * FOOTER_SIZE and footers.head.startswith(Footer.COOKIE):
        detail = (
            "The file ends like a fixed VHD but begins like a dynamic one: programs disagree on its"
            " content."
        )
        yield broken("polyglot", detail, "offset 0", Hint.GET_FILE_AGAIN)
    if footers.data_end != footer.current_size:
        detail = (
            f"The footer of a fixed VHD of {footer.current_size} bytes must be at that offset, not"
            f" at {footers.data_end}."
        )
        yield broken("fixed-length", detail, "footer offset 48", Hint.GET_FILE_AGAIN)


def footer_fields(footer: Footer, file_size: int) -> Iterator[Finding]:
    """Check each field of a valid footer."""
    yield from _type_findings(footer)
    yield from _constant_findings(footer)
    yield from _data_offset_findings(footer, file_size)
    yield from _growth_findings(footer)
    yield from _size_findings(footer)


def _type_findings(footer: Footer) -> Iterator[Finding]:
    if footer.disk_type == DiskType.DIFFERENCING:
        detail = (
            "The disk is a differencing disk, which contains only the changes to a parent disk."
        )
        where = "footer offset 60"
        yield broken("has-parent", detail, where, Hint.MERGE_PARENT, code=HAS_PARENT)
    elif footer.disk_type not in (DiskType.FIXED, DiskType.DYNAMIC):
        detail = f"The disk type is {footer.disk_type}, neither fixed (2) nor dynamic (3)."
        yield broken("disk-type", detail, "footer offset 60", code=UNSUPPORTED_TYPE)
    if not footer.uuid.int:
        detail = "The UUID of the disk is all zeros."
        yield flaw("zero-uuid", detail, "footer offset 68", code=NO_UUID)


def _constant_findings(footer: Footer) -> Iterator[Finding]:
    # Bit 1 is always set, and bit 0 marks a temporary disk; the others are reserved.
    if footer.features not in (2, 3):
        detail = f"The features field is {footer.features:#x}; only 2 and 3 are valid."
        yield flaw("features", detail, "footer offset 8")
    if footer.version != VERSION:
        detail = f"The format version is {footer.version:#010x}, not {VERSION:#010x}."
        yield flaw("footer-version", detail, "footer offset 12")
    if footer.saved_state > 1:
        detail = f"The saved state is {footer.saved_state}; only 0 and 1 are valid."
        yield flaw("saved-state", detail, "footer offset 84")
    if footer.hidden:
        detail = f"The disk is marked as hidden ({footer.hidden}): XenServer does not use it."
        yield flaw("hidden", detail, "footer offset 85")
    if any(footer.reserved):
        place = next(place for place, byte in enumerate(footer.reserved, 86) if byte)
        detail = "The reserved bytes at the end of the footer are not all zero."
        yield flaw("footer-reserved", detail, f"footer offset {place}")


def _data_offset_findings(footer: Footer, file_size: int) -> Iterator[Finding]:
    offset, where = footer.data_offset, "footer offset 16"
    if footer.disk_type == DiskType.FIXED:
        if offset != NO_OFFSET:
            detail = (
                f"The data offset of a fixed disk is {offset:#x}; XenServer's tools accept only 64"
                " one bits."
            )
            yield flaw("data-offset", detail, where)
    elif footer.has_header and (offset < FOOTER_SIZE or offset >= file_size or offset % SECTOR):
        detail = f"The dynamic header cannot be at offset {offset} of a file of {file_size} bytes."
        yield broken("data-offset", detail, where)


def _growth_findings(footer: Footer) -> Iterator[Finding]:
    if not footer.by_xenserver:
        detail = (
            f"The disk was created by '{footer.creator}', not by XenServer ('tap'), which cannot"
            " resize it to the disk of a flavor."
        )
        yield warning("creator", detail, "footer offset 28", Hint.CONVERT_VHD)
    elif footer.creator_version not in _TAP_VERSIONS:
        detail = (
            f"The version of the creator 'tap' is {footer.creator_release}; XenServer's tools"
            " accept only 1.0 to 1.3."
        )
        yield flaw("creator-version", detail, "footer offset 32")
    if footer.saved_state == 1:
        detail = "The disk belongs to a suspended virtual machine (saved state 1)."
        yield warning("saved-state", detail, "footer offset 84", Hint.CONVERT_VHD)
    yield from _timestamp_findings(footer)


def _timestamp_findings(footer: Footer) -> Iterator[Finding]:
    ahead = footer.timestamp - (time.time() - EPOCH.timestamp())
    created, where = f"{footer.created:%Y-%m-%d %H:%M} UTC", "footer offset 24"
    if ahead > _CLOCK_TOLERANCE:
        detail = (
            f"The creation time, {created}, is more than 30 minutes in the future; XenServer's"
            " tools refuse it."
        )
        yield flaw("future-timestamp", detail, where)
    elif ahead > 0:
        detail = f"The creation time, {created}, is in the future."
        yield warning("future-timestamp", detail, where, Hint.CONVERT_VHD)


def _size_findings(footer: Footer) -> Iterator[Finding]:
    size, where = footer.current_size, "footer offset 48"
    if size == 0:
        yield broken("size-zero", "The size of the disk is 0.", where)
    elif size % SECTOR:
        detail = f"The size of the disk, {size} bytes, is not a multiple of 512 bytes."
        yield flaw("size-unaligned", detail, where)
    elif size % BLOCK_SIZE:
        detail = (
            f"The size of the disk, {size} bytes, is not a multiple of 2 MiB: XenServer may lose"
            " the end of the disk when resizing it."
        )
        yield warning("size-not-2mib", detail, where, Hint.CONVERT_VHD)
    expected = geometry_of(size)
    if size and footer.geometry.packed > expected.packed:
        detail = (
            f"The geometry {_in_words(footer.geometry)} is larger than {_in_words(expected)}, which"
            " matches the size of the disk; XenServer's tools refuse it."
        )
        yield flaw("geometry-beyond-size", detail, "footer offset 56")


def _in_words(geometry: Geometry) -> str:
    return "/".join(map(str, geometry))
