# SPDX-License-Identifier: Apache-2.0
"""Checks of licences, and of what a system does when a new server starts it."""

from collections.abc import Callable, Collection, Iterator, Set

from rackspace_imagetasks.guest._sighting import WHOLE_DISK, Sighting, systems
from rackspace_imagetasks.guest.facts import (
    AgentKind,
    CloudInit,
    DiskFacts,
    Place,
    SystemFacts,
    SystemKind,
)

_X86 = {"x86_64", "i686", ""}
_NETWORK_SERVICES = ("OpenStack", "Ec2")


def licensed(identifiers: Set[str]) -> Callable[[DiskFacts], Iterator[Sighting]]:
    """Return the check for systems whose licences are bound to a provider.

    :param identifiers: values of os_distro and os_type.
    """

    def check(facts: DiskFacts) -> Iterator[Sighting]:
        for system in facts.systems:
            if system.is_certain and identifiers & {system.id, system.kind.value}:
                yield Sighting(f"{system.name or system.id} is installed.", system.place)

    return check


def windows_like(facts: DiskFacts) -> Iterator[Sighting]:
    """Find what looks like Windows but cannot be read."""
    for system in facts.systems:
        if system.kind is SystemKind.WINDOWS and not system.is_certain:
            text = "The volume looks like Windows, but its files cannot be read."
            yield Sighting(text, system.place)


def hibernated(facts: DiskFacts) -> Iterator[Sighting]:
    """Find systems that will continue what they did on another server."""
    for system in facts.systems:
        if system.is_hibernated:
            yield Sighting(f"{system.name} is hibernated.", system.place)


def foreign_architecture(facts: DiskFacts) -> Iterator[Sighting]:
    """Find systems for processors other than x86."""
    for system in systems(facts, *SystemKind):
        if system.architecture not in _X86:
            text = f"{system.name} is made for {system.architecture}, not for x86_64."
            yield Sighting(text, system.place)


def no_system(facts: DiskFacts) -> Iterator[Sighting]:
    """Find a disk without a system that is known."""
    if not facts.systems:
        yield Sighting("No operating system was found.", WHOLE_DISK)


def installer(facts: DiskFacts) -> Iterator[Sighting]:
    """Find media from which a system is installed."""
    for system in facts.systems:
        if system.is_installer:
            yield Sighting(f"{system.name} is installation media.", system.place)


def only_named(facts: DiskFacts) -> Iterator[Sighting]:
    """Find systems that are known only by the types of their partitions."""
    for system in facts.systems:
        if not system.is_certain and system.kind is not SystemKind.WINDOWS:
            yield Sighting(f"{system.name} was not looked at.", system.place)


def no_first_boot(*agents: AgentKind) -> Callable[[DiskFacts], Iterator[Sighting]]:
    """Return the check for systems that nothing sets up on a new server.

    :param agents: what can do so instead of cloud-init.
    """

    def check(facts: DiskFacts) -> Iterator[Sighting]:
        for system in systems(facts, SystemKind.LINUX, SystemKind.WINDOWS):
            if _is_set_up(system, agents):
                continue
            if system.cloud_init:
                text = "cloud-init is disabled."
                yield Sighting(text, system.cloud_init.place)
            else:
                names = (
                    "cloudbase-init"
                    if system.kind is SystemKind.WINDOWS
                    else " or ".join(("cloud-init", *agents))
                )
                yield Sighting(f"{names} is not installed.", system.place)

    return check


def _is_set_up(system: SystemFacts, agents: Collection[AgentKind]) -> bool:
    cloud_init = system.cloud_init
    return (
        (cloud_init is not None and not cloud_init.is_disabled)
        or system.has_agent(AgentKind.CLOUDBASE_INIT)
        or any(system.has_agent(kind) for kind in agents)
    )


def datasources(*wanted: str) -> Callable[[DiskFacts], Iterator[Sighting]]:
    """Return the check for a list of data sources in which none that the target has is.

    :param wanted: names of data sources of cloud-init, of which one is enough.
    """

    def check(facts: DiskFacts) -> Iterator[Sighting]:
        for system in systems(facts, SystemKind.LINUX):
            if (found := system.cloud_init) and not found.is_disabled:
                yield from _unsuitable(found, wanted)

    return check


def _unsuitable(cloud_init: CloudInit, wanted: tuple[str, ...]) -> Iterator[Sighting]:
    names = cloud_init.datasources
    if names is not None and not set(names).intersection(wanted):
        text = f"cloud-init does not look for data in {' or '.join(wanted)}."
        yield Sighting(text, cloud_init.datasources_place or cloud_init.place)


def hardware_bindings(facts: DiskFacts) -> Iterator[Sighting]:
    """Find network configuration for the network card of another server."""
    for system in systems(facts, SystemKind.LINUX):
        for seen in system.hardware_bindings:
            text = f"The configuration is for one network card: {seen.text}"
            yield Sighting(text, seen.place)


def addresses(*agents: AgentKind) -> Callable[[DiskFacts], Iterator[Sighting]]:
    """Return the check for addresses that nothing replaces on a new server.

    :param agents: what can replace them instead of cloud-init.
    """

    def check(facts: DiskFacts) -> Iterator[Sighting]:
        for system in systems(facts, SystemKind.LINUX):
            for seen in () if _is_set_up(system, agents) else system.addresses:
                yield Sighting(f"The system has a fixed address: {seen.text}", seen.place)

    return check


def no_console(device: str) -> Callable[[DiskFacts], Iterator[Sighting]]:
    """Return the check for systems that do not write to the console of a server."""

    def check(facts: DiskFacts) -> Iterator[Sighting]:
        for system in systems(facts, SystemKind.LINUX):
            if not any(seen.text == device for seen in system.consoles):
                yield Sighting(f"The kernel does not write to {device}.", system.place)

    return check


def useless_agents(*kinds: AgentKind) -> Callable[[DiskFacts], Iterator[Sighting]]:
    """Return the check for agents that have nothing to do on the target."""

    def check(facts: DiskFacts) -> Iterator[Sighting]:
        for system in systems(facts, SystemKind.LINUX, SystemKind.WINDOWS):
            for agent in system.agents:
                if agent.kind in kinds:
                    yield Sighting(f"{agent.kind} is installed.", agent.place)

    return check


def identities(facts: DiskFacts) -> Iterator[Sighting]:
    """Find what copies of a server should not share."""
    for system in systems(facts, SystemKind.LINUX):
        for seen in system.identities:
            yield Sighting(f"The disk contains the {seen.text} of a server.", seen.place)


def doubtful(facts: DiskFacts) -> Iterator[Sighting]:
    """Find volumes whose contents may not be what the server would see."""
    for volume in facts.volumes:
        for note in volume.notes:
            yield Sighting(note, Place(volume.name))
    for seen in facts.notes:
        yield Sighting(seen.text, seen.place)


def unread(facts: DiskFacts) -> Iterator[Sighting]:
    """Find what was not read, so that nothing is known of it."""
    for volume in facts.volumes:
        if volume.problem:
            yield Sighting(volume.problem, Place(volume.name))
    for system in facts.systems:
        for seen in system.unreadable:
            yield Sighting(seen.text, seen.place)
