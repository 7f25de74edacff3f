# SPDX-License-Identifier: Apache-2.0
"""CRC-32C (Castagnoli), the checksum of metadata in ext4 and XFS."""

_POLYNOMIAL = 0x82F63B78  # RFC 3720, 12.1, with its bits reversed


def _table_entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = tuple(map(_table_entry, range(256)))


def crc32c(content: bytes | bytearray, start: int = 0xFFFFFFFF) -> int:
    """Return the CRC after some bytes, not inverted: as Linux keeps it, and continues it."""
    crc, table = start, _TABLE
    for byte in content:
        crc = crc >> 8 ^ table[crc & 0xFF ^ byte]
    return crc
