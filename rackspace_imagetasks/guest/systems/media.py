# SPDX-License-Identifier: Apache-2.0
"""Discs that start a Linux system, to install it or to try it."""

from rackspace_imagetasks.guest.facts import SystemFacts, SystemKind, VolumeFacts
from rackspace_imagetasks.guest.systems.files import SystemFiles, cut

_DISC = "ISO 9660"
_INFORMATION = "/.disk/info"  # of Debian and its descendants
_EVIDENCE = (
    _INFORMATION, "/casper", "/live", "/isolinux", "/boot/grub", "/images/pxeboot", "/arch",
)  # fmt: skip


def linux_medium(files: SystemFiles, volume: VolumeFacts) -> SystemFacts | None:
    """Return the facts about a disc with Linux, None if it is none."""
    evidence = files.first(_EVIDENCE) if volume.content == _DISC else None
    if evidence is None:
        return None
    name = files.text(_INFORMATION).strip().partition("\n")[0] or volume.label or "Linux"
    return SystemFacts(
        kind=SystemKind.LINUX,
        place=files.place(evidence),
        id=SystemKind.LINUX.value,
        name=cut(name),
        is_installer=True,
        unreadable=tuple(files.problems),
    )
