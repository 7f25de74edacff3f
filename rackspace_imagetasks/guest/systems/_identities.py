# SPDX-License-Identifier: Apache-2.0
"""What a Linux system should not share with its copies."""

from collections.abc import Iterator

from rackspace_imagetasks.guest.facts import Seen
from rackspace_imagetasks.guest.systems.files import SystemFiles

_MACHINE_ID = "/etc/machine-id"
_ID_LENGTH = 32  # machine-id(5): digits; an image should have none, or "uninitialized"
_INSTANCE = "/var/lib/cloud/instance"
_SSH = "/etc/ssh"


def identities_of(files: SystemFiles) -> Iterator[Seen]:
    """Yield the identities of the server from which the disk comes."""
    if (files.size(_MACHINE_ID) or 0) >= _ID_LENGTH:
        yield Seen("machine ID", files.place(_MACHINE_ID))
    if files.exists(_INSTANCE):
        yield Seen("state of cloud-init", files.place(_INSTANCE))
    for path in files.paths(_SSH, "_key"):
        yield Seen("SSH host key", files.place(path))
        return
