# SPDX-License-Identifier: Apache-2.0
"""The service's own look at a VHD, written from the format's description alone.

It shares nothing with the clients that are tested against it, so that one mistake is not made
twice. (Virtual Hard Disk Image Format Specification 1.0.)
"""

import struct
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

_SECTOR = 512
_FIXED, _DYNAMIC, _DIFFERENCING = 2, 3, 4
_UNALLOCATED = 0xFFFFFFFF
_EPOCH = 946684800  # 2000-01-01 UTC
_MEANINGS = {
    111: "the VHD failed validation in an unspecified way",
    396: "not a valid VHD",
    413: "virtual size over 40 GB",
    523: "neither fixed nor dynamic",
    609: "physical size over 40 GB",
    614: "the VHD's UUID is all zeros",
    721: "the VHD has a parent disk; only stand-alone VHDs can be imported",
}

Read = Callable[[int, int], bytes]  # offset, length -> bytes


class Refused(Exception):
    """A file that the service does not import, with its documented code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Error {code}: {_MEANINGS[code]}")
        self.code = code


@dataclass(frozen=True)
class Limits:
    """The largest disk and the largest file, in bytes."""

    virtual: int
    physical: int


def virtual_size(read: Read, size: int, limits: Limits) -> int:
    """Return the size in bytes of the disk in a file of `size` bytes.

    :raises Refused: when the service would not import it.
    """
    if size > limits.physical:
        raise Refused(609)
    footer = _tail(read, size)
    if not _is_footer(footer):
        # A good copy at the start makes it a damaged VHD, not something else.
        raise Refused(111 if size >= 512 and _is_footer(read(0, 512)) else 396)
    kind, current_size = struct.unpack_from(">I", footer, 60)[0], _u64(footer, 48)
    for code, wrong in (
        (721, kind == _DIFFERENCING),
        (523, kind not in (_FIXED, _DYNAMIC)),
        (614, not any(footer[68:84])),
        (413, current_size > limits.virtual),
        (111, current_size == 0 or current_size % _SECTOR != 0),
    ):
        if wrong:
            raise Refused(code)
    if kind == _DYNAMIC:
        _check_dynamic(read, size, footer, current_size)
    elif size != current_size + _tail_length(size):
        raise Refused(111)
    return current_size


def renewed(footer: bytes) -> bytes:
    """Return a footer with a new UUID and time, as every export of the service has its own."""
    timestamp = struct.pack(">I", int(time.time()) - _EPOCH)
    new = footer[:24] + timestamp + footer[28:64] + bytes(4) + uuid.uuid4().bytes + footer[84:]
    return new[:64] + struct.pack(">I", _checksum(new, 64)) + new[68:]


def footer_offsets(read: Read, size: int) -> list[int]:
    """Say where a VHD has its footer and, if it has one, the copy. Empty: it is no VHD."""
    if size < 512 or not _is_footer(read(size - 512, 512)):
        return []
    return [0, size - 512] if size >= 1024 and _is_footer(read(0, 512)) else [size - 512]


def _u64(data: bytes, offset: int) -> int:
    return int(struct.unpack_from(">Q", data, offset)[0])


def _checksum(data: bytes, offset: int) -> int:
    return ~(sum(data) - sum(data[offset : offset + 4])) & 0xFFFFFFFF


def _tail_length(size: int) -> int:
    return 511 if size % _SECTOR == 511 else 512  # Virtual PC before 2004


def _tail(read: Read, size: int) -> bytes:
    length = _tail_length(size)
    return read(size - length, length).ljust(512, b"\0") if size >= length else b""


def _is_footer(data: bytes) -> bool:
    return data[:8] == b"conectix" and struct.unpack_from(">I", data, 64)[0] == _checksum(data, 64)


def _check_dynamic(read: Read, size: int, footer: bytes, current_size: int) -> None:
    end = size - _tail_length(size)
    header_at = _u64(footer, 16)
    if read(0, 512) != footer or not 512 <= header_at <= end - 1024:
        raise Refused(111)
    header = read(header_at, 1024)
    version, entries, block_size, checksum = struct.unpack_from(">IIII", header, 24)
    table_at = _u64(header, 16)
    if (
        header[:8] != b"cxsparse"
        or checksum != _checksum(header, 36)
        or version != 0x00010000
        or any(header[40:56])  # the parent's UUID
        or block_size < 4096
        or block_size & (block_size - 1)
        or entries * block_size < current_size
        or table_at % _SECTOR
        or not header_at + 1024 <= table_at <= end - entries * 4
    ):
        raise Refused(111)
    table = struct.unpack(f">{entries}I", read(table_at, entries * 4))
    _check_blocks(table, block_size, first=table_at + entries * 4, end=end)


def _check_blocks(table: tuple[int, ...], block_size: int, first: int, end: int) -> None:
    """Check that blocks lie between table and footer and apart from each other."""
    bitmap = -(-block_size // _SECTOR // 8 // _SECTOR) * _SECTOR
    free = first
    for sector in sorted(table):
        if sector == _UNALLOCATED:
            break
        start = sector * _SECTOR
        if start < free or start + bitmap + block_size > end:
            raise Refused(111)
        free = start + bitmap + block_size
