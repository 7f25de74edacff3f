# SPDX-License-Identifier: Apache-2.0
"""VHDs to test with, written field by field from the specification of the format."""

import struct
import uuid

BLOCK = 2 << 20
ONES = 0xFFFFFFFFFFFFFFFF
FIRST_BLOCK = 6  # the sector of the first block of a small `dynamic` disk
STRIDE = 4097  # sectors from one block to the next
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
    changes: dict[int, bytes] | None = None,
) -> bytes:
    """Return 512 bytes.

    :param size: the size of the disk, in bytes.
    :param changes: bytes to write at offsets of the footer; the checksum takes account of them.
    """
    offset = ONES if kind == 2 else 512
    vhd_uuid = uuid.uuid4().bytes if vhd_uuid is None else vhd_uuid
    data = struct.pack(
        ">8sIIQI4sIIQQHBBII16sBB426x",
        cookie, 2, 0x00010000, offset, 0, b"tap\0", 0x00010003, 0,
        size, size, 0, 0, 0, kind, 0, vhd_uuid, 0, 0,
    )  # fmt: skip
    return summed(data, 64, changes, good=good_checksum)


def summed(
    data: bytes, checksum_at: int, changes: dict[int, bytes] | None, *, good: bool = True
) -> bytes:
    """Return a structure with changes applied, and then its checksum."""
    changed = bytearray(data)
    for offset, value in (changes or {}).items():
        changed[offset : offset + len(value)] = value
    struct.pack_into(">I", changed, checksum_at, checksum(changed) ^ (not good))
    return bytes(changed)


def fixed(size: int = 4096, **options: object) -> bytes:
    return bytes(size) + footer(size, 2, **options)


def header(
    entries: int,
    *,
    block: int = BLOCK,
    table: int = 1536,
    changes: dict[int, bytes] | None = None,
) -> bytes:
    """Return the 1024 bytes of a dynamic disk's header."""
    data = struct.pack(
        ">8sQQIIII984x", b"cxsparse", ONES, table, 0x00010000, entries, block, 0
    )  # fmt: skip
    return summed(data, 36, changes)


def batmap(entries: int, at: int, *, bits: bytes = b"", changes: dict[int, bytes] | None = None):
    """Return a batmap with its header, to be written at the offset `at`."""
    sectors = max(1, (entries + 4095) // 4096)
    content = bits.ljust(sectors * 512, b"\0")
    data = bytearray(struct.pack(
        ">8sQIII484x", b"tdbatmap", at + 512, sectors, 0x00010002, checksum(content)
    ))  # fmt: skip
    for offset, value in (changes or {}).items():
        data[offset : offset + len(value)] = value
    return bytes(data) + content


def dynamic(
    size: int = 8 << 20,
    *,
    table: list[int] | None = None,
    stored: int = 1,
    content: bytes = b"",
    kind: int = 3,
    with_header: bytes | None = None,
    with_batmap: bytes | None = None,
    **options: object,
) -> bytes:
    """Return a dynamic disk whose first `stored` blocks are in the file.

    :param content: the data of the first block.
    :param table: the entries of the block allocation table, in sectors.
    """
    entries = -(-size // BLOCK)
    padded = -(-entries * 4 // 512) * 512
    after = batmap(entries, 1536 + padded) if with_batmap is None else with_batmap
    first = (1536 + padded + len(after)) // 512
    if table is None:
        table = [first + number * STRIDE for number in range(stored)]
    bat = struct.pack(f">{entries}I", *table, *[_NONE] * (entries - len(table)))
    blocks = [b"\xff" * 512 + bytes(BLOCK) for _ in range(stored)]
    if content:
        blocks[0] = b"\xff" * 512 + content.ljust(BLOCK, b"\0")
    foot = footer(size, kind, **options)
    head = header(entries) if with_header is None else with_header
    return b"".join([foot, head, bat.ljust(padded, b"\xff"), after, *blocks, foot])
