# SPDX-License-Identifier: Apache-2.0
"""What is inside a disk.

`inspect` parses what the disk contains, which is untrusted: `fence.run_fenced` is how to call it.
"""

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.guest._loaders import bios_loader, uefi_loaders
from rackspace_imagetasks.guest._systems import systems_in
from rackspace_imagetasks.guest._volumes import Walk
from rackspace_imagetasks.guest.facts import DiskFacts
from rackspace_imagetasks.units import SECTOR


def inspect(disk: ByteSource, *, deep: bool = False) -> DiskFacts:
    """Return the facts about a disk.

    :param deep: read the contents of initramfs files, too: some 60 MiB.
    :raises SourceError: if the disk cannot be read.
    """
    found = Walk(disk)
    table = found.table
    head = disk.read_at(0, min(disk.size, SECTOR))
    loader = bios_loader(table, head, found.active)
    return DiskFacts(
        size=disk.size,
        sector_size=table.sector_size if table else SECTOR,
        table=table.kind.value if table else "",
        volumes=tuple(found.volumes),
        systems=systems_in(found.volumes, found.readable, found.windows_like, deep=deep),
        loaders=(*((loader,) if loader else ()), *uefi_loaders(found.readable)),
        is_deep=deep,
        notes=tuple(found.notes),
    )
