# SPDX-License-Identifier: Apache-2.0
"""Disks in local files of any format: raw, VHD, and the formats that QEMU reads.

`open_source` detects the format and returns a `DiskSource`, the bytes of the disk.
"""

from rackspace_imagetasks.sources._detect import FORMATS
from rackspace_imagetasks.sources.disk import DiskSource, open_source

__all__ = ["FORMATS", "DiskSource", "open_source"]
