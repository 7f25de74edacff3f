# SPDX-License-Identifier: Apache-2.0
"""Whether a disk will work in a cloud: facts in, findings out.

What each kind of target needs is a table. Its texts name neither commands nor options; the
documentation explains each check by its name.
"""

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from rackspace_imagetasks.guest import _boot_checks as boot
from rackspace_imagetasks.guest import _system_checks as system
from rackspace_imagetasks.guest._sighting import Sighting, systems
from rackspace_imagetasks.guest.facts import AgentKind, DiskFacts, SystemKind
from rackspace_imagetasks.profile import ProviderProfile

_TITLES = {"rackspace": "Rackspace", "glance": "KVM", "flex": "Flex"}


class FindingSeverity(enum.StrEnum):
    """What a finding means for a server that is made from the disk."""

    ERROR = "error"  #: the server will not start, or the provider does not allow the disk
    WARNING = "warning"  #: the server may not start, or not be reachable
    INFO = "info"  #: good to know


@dataclass(frozen=True)
class DiskFinding:
    """One thing about a disk that matters for a target.

    :ivar check: a short stable name, such as `device-name`.
    :ivar text: a sentence that says what was found; it may quote the disk.
    :ivar volume: where it was seen, such as `partition 2`.
    :ivar path: the file in the volume; empty for the volume itself.
    :ivar remedy: what to do, in a sentence.
    """

    severity: FindingSeverity
    check: str
    text: str
    volume: str
    path: str
    remedy: str


@dataclass(frozen=True)
class Readiness:
    """Whether a disk is ready for a target.

    :ivar target: the name of the target, for people.
    :ivar findings: the most severe first.
    :ivar is_system_known: whether an operating system could be read, so that the checks of it mean
        something.
    """

    target: str
    findings: tuple[DiskFinding, ...]
    is_system_known: bool

    @property
    def is_ready(self) -> bool:
        """Whether there is no error."""
        return not self.count(FindingSeverity.ERROR)

    def count(self, severity: FindingSeverity) -> int:
        """Return the number of findings of a severity."""
        return sum(finding.severity is severity for finding in self.findings)

    @property
    def verdict(self) -> str:
        """The answer in a line, such as `Not ready for KVM: 1 error, 2 warnings`."""
        counts = [
            f"{number} {severity}{'s' if number > 1 else ''}"
            for severity in (FindingSeverity.ERROR, FindingSeverity.WARNING)
            if (number := self.count(severity))
        ]
        if not self.is_ready:
            return f"Not ready for {self.target}: {', '.join(counts)}"
        if not self.is_system_known:
            counts.append("no operating system could be read")
            return f"Perhaps ready for {self.target}: {', '.join(counts)}"
        return f"Ready for {self.target}" + (f", with {counts[0]}" if counts else "")


class _Rule(NamedTuple):
    check: str
    severity: FindingSeverity
    find: Callable[[DiskFacts], Iterator[Sighting]]
    remedy: str


_ERROR, _WARNING, _INFO = FindingSeverity

_ANYWHERE = (
    _Rule(
        "no-boot-loader",
        _ERROR,
        boot.no_loader,
        "Install a boot loader, or import the disk from which the server started.",
    ),
    _Rule(
        "encrypted-root",
        _ERROR,
        boot.encrypted_root,
        "Decrypt the disk: a server in a cloud cannot ask for the key when it starts.",
    ),
    _Rule(
        "root-device",
        _WARNING,
        boot.unknown_roots,
        "Correct the root device, or import the disk together with the one that has it.",
    ),
    _Rule("no-kernel", _WARNING, boot.no_kernel, "Install a kernel."),
    _Rule(
        "network-hardware",
        _WARNING,
        system.hardware_bindings,
        "Delete the file or the setting: a new server has another network card.",
    ),
    _Rule(
        "hibernated",
        _WARNING,
        system.hibernated,
        "Turn off fast startup, and shut the system down.",
    ),
    _Rule(
        "installation-media",
        _WARNING,
        system.installer,
        "Install the system to a disk, and import that.",
    ),
    _Rule(
        "encrypted-volume",
        _INFO,
        boot.encrypted_data,
        "Have the key at hand; the system must not need the volume to start.",
    ),
    _Rule("no-system", _INFO, system.no_system, "Check that this is the right disk."),
    _Rule(
        "system-not-read",
        _INFO,
        system.only_named,
        "Check the device names and the drivers of the system yourself.",
    ),
    _Rule(
        "identity",
        _INFO,
        system.identities,
        "Delete it before you make several servers from the image.",
    ),
    _Rule(
        "doubtful",
        _INFO,
        system.doubtful,
        "Shut the server down before its disk is copied.",
    ),
    _Rule("not-read", _INFO, system.unread, "Check the contents yourself."),
)

_XEN = (
    _Rule(
        "uefi-only",
        _ERROR,
        boot.uefi_only,
        "Install a boot loader for BIOS; on a disk with a GPT, it needs a BIOS boot partition.",
    ),
    _Rule(
        "architecture",
        _ERROR,
        system.foreign_architecture,
        "Import a disk that is made for x86_64.",
    ),
    _Rule(
        "windows-unknown",
        _WARNING,
        system.windows_like,
        "Do not import Windows: its licences cannot be transferred to this cloud.",
    ),
    _Rule(
        "device-name",
        _WARNING,
        boot.device_names("xvd"),
        "Use the UUID of the file system; the disks of this cloud are called /dev/xvd*.",
    ),
    _Rule(
        "xen-driver",
        _WARNING,
        boot.missing_drivers(("xen_blkfront",), ("xen_netfront",)),
        "Add the driver to the kernel or the initramfs.",
    ),
    _Rule(
        "first-boot",
        _WARNING,
        system.no_first_boot(AgentKind.NOVA_AGENT),
        "Install cloud-init; otherwise, a new server keeps its passwords and addresses.",
    ),
    _Rule(
        "datasource",
        _WARNING,
        system.datasources("ConfigDrive"),
        "Add ConfigDrive to datasource_list.",
    ),
    _Rule(
        "fixed-address",
        _WARNING,
        system.addresses(AgentKind.NOVA_AGENT),
        "Set the network to DHCP, or install cloud-init.",
    ),
    _Rule(
        "initramfs-not-read",
        _INFO,
        boot.unread_initramfs(("xen_blkfront",)),
        "Inspect the disk deeply, or rebuild the initramfs for any hardware.",
    ),
)

_KVM = (
    _Rule(
        "no-fallback-loader",
        _WARNING,
        boot.no_fallback_loader,
        "Install the boot loader for removable media, too.",
    ),
    _Rule(
        "device-name",
        _WARNING,
        boot.device_names("vd"),
        "Use the UUID of the file system; the disks of this cloud are called /dev/vd*.",
    ),
    _Rule(
        "virtio-driver",
        _WARNING,
        boot.missing_drivers(("virtio_blk", "virtio_scsi"), ("virtio_net",)),
        "Add the driver to the kernel or the initramfs, or choose other devices for the image.",
    ),
    _Rule(
        "first-boot",
        _WARNING,
        system.no_first_boot(),
        "Install cloud-init; otherwise, a new server keeps its passwords and addresses.",
    ),
    _Rule(
        "datasource",
        _WARNING,
        system.datasources("ConfigDrive", "OpenStack"),
        "Add ConfigDrive and OpenStack to datasource_list.",
    ),
    _Rule(
        "fixed-address",
        _WARNING,
        system.addresses(),
        "Set the network to DHCP, or install cloud-init.",
    ),
    _Rule("uefi-only", _INFO, boot.uefi_only, "Set the property hw_firmware_type to uefi."),
    _Rule(
        "licence",
        _INFO,
        system.licensed({"windows", "rhel"}),
        "Check that the licence is valid in the cloud.",
    ),
    _Rule(
        "windows-unknown",
        _INFO,
        system.windows_like,
        "If it is Windows, check that the licence is valid in the cloud.",
    ),
    _Rule(
        "initramfs-not-read",
        _INFO,
        boot.unread_initramfs(("virtio_blk", "virtio_scsi")),
        "Inspect the disk deeply, or rebuild the initramfs for any hardware.",
    ),
    _Rule(
        "console",
        _INFO,
        system.no_console("ttyS0"),
        "Add console=ttyS0 to the arguments of the kernel to see its messages in the console log.",
    ),
    _Rule(
        "xen-agent",
        _INFO,
        system.useless_agents(AgentKind.NOVA_AGENT, AgentKind.XE_GUEST_UTILITIES),
        "Remove it: it works on XenServer only.",
    ),
)

_TARGETS: Mapping[str, tuple[_Rule, ...]] = {
    "xen": (*_ANYWHERE, *_XEN),
    "kvm": (*_ANYWHERE, *_KVM),
}


def judge_readiness(facts: DiskFacts, profile: ProviderProfile) -> Readiness:
    """Judge whether a disk will work in the cloud of a provider."""
    findings = [finding for rule in _rules(profile) for finding in _findings(rule, facts)]
    order = list(FindingSeverity)
    findings.sort(key=lambda finding: order.index(finding.severity))
    return Readiness(
        target=_TITLES.get(profile.name, profile.name),
        findings=tuple(findings),
        is_system_known=any(systems(facts, *SystemKind)),
    )


def severities(profile: ProviderProfile) -> dict[str, FindingSeverity]:
    """Return the checks for the cloud of a provider by their names."""
    return {rule.check: rule.severity for rule in _rules(profile)}


def _rules(profile: ProviderProfile) -> tuple[_Rule, ...]:
    return (*_licence_rules(profile), *_TARGETS[profile.hypervisor])


def _licence_rules(profile: ProviderProfile) -> Iterator[_Rule]:
    """Yield the rules for systems that a provider does not accept, or does not give back."""
    if immovable := profile.immovable_systems:
        yield _Rule(
            "licence",
            _ERROR,
            system.licensed(immovable),
            "Create a server from one of the provider's images: the licence cannot be transferred.",
        )
    if licensed := profile.licensed_systems - immovable:
        yield _Rule(
            "export-licence",
            _WARNING,
            system.licensed(licensed),
            "Keep the disk: the provider does not allow the export of such an image.",
        )


def _findings(rule: _Rule, facts: DiskFacts) -> Iterator[DiskFinding]:
    for text, place in rule.find(facts):
        yield DiskFinding(rule.severity, rule.check, text, place.volume, place.path, rule.remedy)
