# SPDX-License-Identifier: Apache-2.0
"""What the content of a disk means for a job: licences, warnings, and properties. Pure.

`policy` judges by what somebody has typed; this module judges by what is there.
"""

from collections.abc import Iterator, Set

from rackspace_imagetasks.guest.facts import (
    AgentKind,
    DiskFacts,
    LoaderKind,
    Place,
    SystemFacts,
    SystemKind,
)
from rackspace_imagetasks.guest.readiness import FindingSeverity, judge_readiness
from rackspace_imagetasks.messages import Message
from rackspace_imagetasks.policy import Verdict
from rackspace_imagetasks.profile import ProviderProfile

_NO_BOOT_PROFILE = "none"
_HVM = "hvm"
_LICENCE_CHECKS = {"licence", "export-licence"}  # the verdict refuses for these
_ALWAYS_TOLD = {"windows-unknown"}  # also about a disk in which no system was found


def judge_arriving(name: str, facts: DiskFacts, profile: ProviderProfile) -> Verdict:
    """Judge whether a disk may become an image, and warn of what keeps a server from working.

    :param name: the name of the disk in messages.
    """
    refusals = [
        Message(
            f"{_evidence(name, system, facts)} Its licence cannot be transferred to this cloud, so"
            " the disk cannot be imported."
        )
        for system in _licensed(facts, profile.immovable_systems)
    ]
    return Verdict(tuple(refusals), tuple(_warnings(name, facts, profile)))


def judge_leaving(name: str, facts: DiskFacts, profile: ProviderProfile) -> Verdict:
    """Judge whether the disk of an image may leave its cloud.

    :param name: the name of the disk in messages.
    """
    return Verdict.refuse(
        *(
            f"{_evidence(name, system, facts)} Its licence does not allow an export."
            for system in _licensed(facts, profile.licensed_systems)
        )
    )


def found_properties(facts: DiskFacts, profile: ProviderProfile) -> dict[str, str]:
    """Return the properties of an image with this disk; none if it has several systems, or none."""
    system = _only_system(facts)
    if system is None:
        return {}
    found = {
        "os_type": system.kind.value if system.kind in _OS_TYPES else "",
        "os_distro": system.id,
        "os_version": system.version,
        "architecture": system.architecture,
    }
    if profile.hypervisor == "kvm":
        found |= {
            "hw_firmware_type": "uefi" if _needs_uefi(facts) else "",
            "hw_qemu_guest_agent": "yes" if system.has_agent(AgentKind.QEMU_GUEST_AGENT) else "",
        }
    return {key: value for key, value in found.items() if value}


def boot_profile_for(facts: DiskFacts | None, profile: ProviderProfile) -> str:
    """Return the boot profile that a disk needs: `hvm` if it is a Linux from another platform.

    An image of the provider has its agent. Without a boot loader that the firmware starts, the disk
    is made for paravirtualization.
    """
    system = _only_system(facts) if facts else None
    if (
        facts is None
        or system is None
        or _HVM not in profile.boot_profiles
        or system.kind is not SystemKind.LINUX
        or system.has_agent(AgentKind.NOVA_AGENT)
        or not facts.has_loader(LoaderKind.BIOS)
    ):
        return _NO_BOOT_PROFILE
    return _HVM


_OS_TYPES = {SystemKind.LINUX, SystemKind.WINDOWS}  # the values that Nova knows


def _licensed(facts: DiskFacts, identifiers: Set[str]) -> Iterator[SystemFacts]:
    for system in facts.systems:
        if system.is_certain and identifiers & {system.id, system.kind.value}:
            yield system


def _evidence(name: str, system: SystemFacts, facts: DiskFacts) -> str:
    """Return a sentence that says which system is on a disk, and where that was seen."""
    return f"'{name}' contains {system.name or system.id} ({_place(system.place, facts)})."


def _place(place: Place, facts: DiskFacts) -> str:
    volume = facts.volume(place.volume)
    content = f" ({volume.content})" if volume and volume.content else ""
    return f"{place.volume}{content}" + (f": {place.path}" if place.path else "")


def _warnings(name: str, facts: DiskFacts, profile: ProviderProfile) -> Iterator[Message]:
    readiness = judge_readiness(facts, profile)
    for finding in readiness.findings:
        if finding.severity is FindingSeverity.INFO or finding.check in _LICENCE_CHECKS:
            continue
        if readiness.is_system_known or finding.check in _ALWAYS_TOLD:
            place = _place(Place(finding.volume, finding.path), facts)
            yield Message(f"'{name}' ({place}): {finding.text} {finding.remedy}")


def _only_system(facts: DiskFacts) -> SystemFacts | None:
    """Return the system of a disk, or None if there are several, or none that was read."""
    systems = [each for each in facts.systems if not each.is_installer]
    return systems[0] if len(systems) == 1 and systems[0].is_certain else None


def _needs_uefi(facts: DiskFacts) -> bool:
    return facts.has_loader(LoaderKind.UEFI) and not facts.has_loader(LoaderKind.BIOS)
