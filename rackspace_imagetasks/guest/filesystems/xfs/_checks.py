# SPDX-License-Identifier: Apache-2.0
"""What metadata of version 5 of XFS says of itself ("Self-Describing Metadata")."""

from rackspace_imagetasks.guest.filesystems._crc32c import crc32c
from rackspace_imagetasks.guest.filesystems.base import Damaged


def check_crc(content: bytes, offset: int, what: str) -> None:
    """Check the checksum at an offset, which was computed over zeros in its place.

    :raises Damaged: if it is wrong.
    """
    crc = crc32c(content[offset + 4 :], crc32c(bytes(4), crc32c(content[:offset])))
    if crc ^ 0xFFFFFFFF != int.from_bytes(content[offset : offset + 4], "little"):
        raise Damaged(f"The checksum of {what} of XFS is wrong.")


def check_owner(content: bytes, offset: int, number: int) -> None:
    """Check that a block belongs to an inode, by the number at an offset.

    :raises Damaged: if it does not, such as a block that was written for another file.
    """
    if content[offset : offset + 8] != number.to_bytes(8, "big"):
        raise Damaged(f"A block of inode {number} of XFS belongs to another inode.")
