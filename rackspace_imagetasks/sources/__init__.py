# SPDX-License-Identifier: Apache-2.0
"""A disk to read, from a file in any format: raw, VHD, and what QEMU knows.

`open_source` finds out the format and gives a `DiskSource`, the disk's own bytes.
"""

from rackspace_imagetasks.sources.detect import FORMATS
from rackspace_imagetasks.sources.disk import DiskSource, open_source

__all__ = ["FORMATS", "DiskSource", "open_source"]
