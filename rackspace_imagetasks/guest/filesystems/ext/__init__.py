# SPDX-License-Identifier: Apache-2.0
"""ext2, ext3 and ext4, after Linux, Documentation/filesystems/ext4.

Structures that have checksums are verified. The journal is not replayed: `Ext.notes` says if it
should have been.
"""

from rackspace_imagetasks.guest.filesystems.ext._reader import Ext

__all__ = ["Ext"]
