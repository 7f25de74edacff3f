# SPDX-License-Identifier: Apache-2.0
"""BSD systems, which are only named: their file systems are not read."""

from collections.abc import Iterable

from rackspace_imagetasks.guest.facts import Place, SystemFacts, SystemKind, VolumeFacts

_NAMES = {
    SystemKind.FREEBSD: "FreeBSD",
    SystemKind.NETBSD: "NetBSD",
    SystemKind.OPENBSD: "OpenBSD",
}


def bsd(volumes: Iterable[VolumeFacts]) -> tuple[SystemFacts, ...]:
    """Return the systems to which the types of partitions belong."""
    found: dict[SystemKind, SystemFacts] = {}
    for volume in volumes:
        for kind, name in _NAMES.items():
            if volume.type.startswith(name):
                system = SystemFacts(
                    kind=kind, id=kind.value, name=name, place=Place(volume.name), is_certain=False
                )
                found.setdefault(kind, system)
    return tuple(found.values())
