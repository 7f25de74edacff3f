# SPDX-License-Identifier: Apache-2.0
"""XFS, versions 4 and 5 of its format.

What metadata of version 5 says of itself is verified: checksums, numbers, and owners.
"""

from rackspace_imagetasks.guest.filesystems.xfs._reader import Xfs

__all__ = ["Xfs"]
