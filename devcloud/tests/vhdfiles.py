# SPDX-License-Identifier: Apache-2.0
"""VHDs to test with, written field by field from the format's specification."""

import struct
import uuid

BLOCK = 2 << 20
_NONE = 0xFFFFFFFF


def checksum(data: bytes) -> int:
    return ~sum(data) & 0xFFFFFFFF


def footer(
    size: int,
    kind: int,
    *,
    cookie: bytes = b"conectix",
    vhd_uuid: bytes | None = None,
    good_checksum: bool = True,
) -> bytes:
    """Give 512 bytes; `size` is the disk's, in bytes."""
    offset = 0xFFFFFFFFFFFFFFFF if kind == 2 else 512
    vhd_uuid = uuid.uuid4().bytes if vhd_uuid is None else vhd_uuid

    def packed(total: int) -> bytes:
        return struct.pack(
            ">8sIIQI4sIIQQHBBII16sBB426x",
            cookie, 2, 0x00010000, offset, 0, b"tap\0", 0x00010003, 0,
            size, size, 0, 0, 0, kind, total, vhd_uuid, 0, 0,
        )  # fmt: skip

    return packed(checksum(packed(0)) ^ (not good_checksum))


def fixed(size: int = 4096, **changes: object) -> bytes:
    return bytes(size) + footer(size, 2, **changes)


def header(entries: int, *, block: int = BLOCK, table: int = 1536, parent: bytes = b"") -> bytes:
    """Give the 1024 bytes of a dynamic disk's header."""

    def packed(total: int) -> bytes:
        return struct.pack(
            ">8sQQIIII16s968x",
            b"cxsparse", 0xFFFFFFFFFFFFFFFF, table, 0x00010000, entries, block, total, parent,
        )  # fmt: skip

    return packed(checksum(packed(0)))


def dynamic(
    size: int = 8 << 20,
    *,
    table: list[int] | None = None,
    stored: int = 1,
    content: bytes = b"",
    kind: int = 3,
    with_header: bytes | None = None,
    **changes: object,
) -> bytes:
    """Give a dynamic disk whose first `stored` blocks are in the file.

    `content` is what the first of them holds; `table` overrides the block table, by sectors.
    """
    entries = -(-size // BLOCK)
    padded = -(-entries * 4 // 512) * 512
    first = (1536 + padded) // 512
    if table is None:
        table = [first + number * 4097 for number in range(stored)]
    bat = struct.pack(f">{entries}I", *table, *[_NONE] * (entries - len(table)))
    blocks = [b"\xff" * 512 + bytes(BLOCK) for _ in range(stored)]
    if content:
        blocks[0] = b"\xff" * 512 + content.ljust(BLOCK, b"\0")
    foot = footer(size, kind, **changes)
    head = header(entries) if with_header is None else with_header
    return b"".join([foot, head, bat.ljust(padded, b"\xff"), *blocks, foot])
