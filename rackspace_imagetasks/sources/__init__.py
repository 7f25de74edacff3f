# SPDX-License-Identifier: Apache-2.0
"""Disks in files of any format: raw, VHD, and the formats that QEMU reads.

`open_source` detects the format of a local file and returns a `DiskSource`, the bytes of the disk;
`open_disk_of` does so for a file that is any byte source.
"""

from rackspace_imagetasks.sources._detect import FORMATS, detect
from rackspace_imagetasks.sources.disk import DiskSource, open_disk_of, open_source

__all__ = ["FORMATS", "DiskSource", "detect", "open_disk_of", "open_source"]
