# SPDX-License-Identifier: Apache-2.0
"""What is inside a disk.

`inspect` parses what the disk contains, which is untrusted: `fence.run_fenced` is how to call it.
"""

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.guest._systems import systems_in
from rackspace_imagetasks.guest._volumes import walk
from rackspace_imagetasks.guest.facts import DiskFacts


def inspect(disk: ByteSource, *, deep: bool = False) -> DiskFacts:
    """Return the facts about a disk.

    :param deep: read the contents of initramfs files, too: some 60 MiB.
    :raises SourceError: if the disk cannot be read.
    """
    found = walk(disk)
    return DiskFacts(
        size=disk.size,
        volumes=tuple(found.volumes),
        systems=systems_in(found.volumes, found.readable, deep=deep),
        is_deep=deep,
    )
