# SPDX-License-Identifier: Apache-2.0
"""What was found of Windows, as facts about a system."""

from rackspace_imagetasks.guest.facts import (
    Agent,
    AgentKind,
    Driver,
    DriverState,
    Place,
    Seen,
    SystemFacts,
    SystemKind,
)
from rackspace_imagetasks.guest.systems.files import cut
from rackspace_imagetasks.guest.systems.windows import Role, Windows

_NAME = "Windows"


def windows_facts(found: Windows, volume: str) -> SystemFacts:
    """Return the facts about an installed Windows, or about what installs it."""
    place = Place(volume, cut(found.evidence))
    return SystemFacts(
        kind=SystemKind.WINDOWS,
        place=place,
        id=SystemKind.WINDOWS.value,
        version=cut(found.build or found.version),
        name=cut(found.product or _NAME),
        architecture=found.architecture,
        is_installer=found.role is Role.INSTALLER,
        agents=tuple(Agent(AgentKind(agent), place) for agent in found.agents),
        drivers=tuple(Driver(name, DriverState.MODULE, place) for name in found.drivers),
        is_hibernated=found.is_hibernated is True,
        unreadable=tuple(Seen(cut(note), Place(volume)) for note in found.notes),
    )


def perhaps_windows(place: Place, reason: str) -> SystemFacts:
    """Return the facts about a volume that looks like Windows but cannot be read."""
    return SystemFacts(
        kind=SystemKind.WINDOWS,
        place=place,
        is_certain=False,
        id=SystemKind.WINDOWS.value,
        name=_NAME,
        unreadable=(Seen(cut(reason), place),),
    )
