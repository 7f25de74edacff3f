# SPDX-License-Identifier: Apache-2.0
"""The compression LZNT1, which NTFS uses ([MS-XCA] section 2.5)."""

from rackspace_imagetasks.guest.filesystems.base import Damaged

_CHUNK = 4096  # what each chunk but the last decompresses to
_COMPRESSED = 0x8000
_MIN_MATCH = 3


def decompress(content: bytes, size: int) -> bytes:
    """Return the first `size` bytes of a compressed buffer; what it does not have is zeros."""
    out, at = bytearray(), 0
    while len(out) < size and at + 2 <= len(content):
        header = int.from_bytes(content[at : at + 2], "little")
        if not header:
            break
        end = at + (header & 0xFFF) + 3
        chunk = content[at + 2 : end]
        out += (_decompress_chunk(chunk) if header & _COMPRESSED else chunk).ljust(_CHUNK, b"\0")
        at = end
    return bytes(out[:size]).ljust(size, b"\0")


def _decompress_chunk(chunk: bytes) -> bytes:
    out, at = bytearray(), 0
    while at < len(chunk):
        flags = chunk[at]
        at += 1
        for bit in range(8):
            if at >= len(chunk):
                break
            if flags >> bit & 1:
                _copy(out, int.from_bytes(chunk[at : at + 2], "little"))
                at += 2
            else:
                out.append(chunk[at])
                at += 1
    return bytes(out)


def _copy(out: bytearray, match: int) -> None:
    """Append bytes that are in the output already; the farther it is, the more bits say where."""
    bits = max(4, (len(out) - 1).bit_length())
    distance, length = (match >> (16 - bits)) + 1, (match & 0xFFFF >> bits) + _MIN_MATCH
    if distance > len(out) or len(out) + length > _CHUNK:
        raise Damaged("Compressed data of NTFS are damaged.")
    for _ in range(length):
        out.append(out[-distance])
