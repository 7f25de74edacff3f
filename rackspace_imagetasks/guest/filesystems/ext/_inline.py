# SPDX-License-Identifier: Apache-2.0
"""Content that is stored in an inode of ext4 ("Inline Data").

The first 60 bytes take the place of the map of blocks; the rest is the extended attribute
`system.data` in the inode.
"""

import struct

from rackspace_imagetasks.guest.filesystems.base import Damaged
from rackspace_imagetasks.guest.filesystems.ext._inode import Inode
from rackspace_imagetasks.guest.filesystems.ext._superblock import BASIC_INODE

_MAGIC = struct.pack("<I", 0xEA020000)
_ENTRY = struct.Struct("<BBHII4x")  # ext4_xattr_entry
_SYSTEM = 7  # the index of the name's prefix
_NAME = b"data"


def inline_content(inode: Inode) -> bytes:
    """Return the content that an inode stores itself.

    :raises Damaged: if it is not complete.
    """
    content = inode.block
    if inode.size > len(content):
        content += _attribute(inode)
    if inode.size > len(content):
        raise _damaged(inode)
    return content[: inode.size]


def _attribute(inode: Inode) -> bytes:
    start = BASIC_INODE + inode.extra_size
    attributes = inode.content[start + len(_MAGIC) :]
    if not inode.content[start:].startswith(_MAGIC):
        raise _damaged(inode)
    offset = 0
    while offset + _ENTRY.size <= len(attributes) and any(attributes[offset : offset + 4]):
        name_length, prefix, value_at, value_inode, size = _ENTRY.unpack_from(attributes, offset)
        name = attributes[offset + _ENTRY.size :][:name_length]
        if prefix == _SYSTEM and name == _NAME:
            if value_inode or value_at + size > len(attributes):
                break
            return attributes[value_at : value_at + size]
        offset += _ENTRY.size + (name_length + 3) // 4 * 4
    raise _damaged(inode)


def _damaged(inode: Inode) -> Damaged:
    return Damaged(f"The content in inode {inode.number} is damaged.")
