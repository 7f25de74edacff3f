# SPDX-License-Identifier: Apache-2.0
"""What an inspection finds in a disk: facts without a judgement.

They cross the boundary of the process that reads the disk, so they consist of nothing but
dataclasses, tuples, text, numbers and enumerations. All text in them comes from the disk.
"""

import dataclasses
import enum


@dataclasses.dataclass(frozen=True)
class Place:
    """Where something was seen.

    :ivar volume: the name of a volume, such as `partition 2`.
    :ivar path: the file in it, as its operating system names it; empty for the volume itself.
    """

    volume: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.volume}: {self.path}" if self.path else self.volume


@dataclasses.dataclass(frozen=True)
class Seen:
    """A text of the disk, and where it was seen."""

    text: str
    place: Place


@dataclasses.dataclass(frozen=True, kw_only=True)
class VolumeFacts:
    """A partition, a logical volume, or a disk without a partition table.

    :ivar name: `partition 2`, `logical volume vg/root` or `disk`.
    :ivar start: the offset on the disk in bytes; None for a logical volume.
    :ivar type: what the partition table says, such as `Linux LVM`.
    :ivar title: the name in a GPT.
    :ivar content: what is in it, such as `ext4`, `LUKS 2` or `swap`; empty if unknown.
    :ivar used: bytes in use; None if that is unknown.
    :ivar is_active: whether the MBR marks the partition as the one to boot from.
    :ivar is_encrypted: whether the contents need a key.
    :ivar problem: why the files in it were not read, in a sentence; empty if they were.
    :ivar notes: what makes that which was read doubtful.
    """

    name: str
    size: int
    start: int | None = None
    type: str = ""
    title: str = ""
    content: str = ""
    used: int | None = None
    label: str = ""
    uuid: str = ""
    is_active: bool = False
    is_encrypted: bool = False
    problem: str = ""
    notes: tuple[str, ...] = ()


class SystemKind(enum.StrEnum):
    """A family of operating systems."""

    LINUX = "linux"
    WINDOWS = "windows"
    FREEBSD = "freebsd"
    NETBSD = "netbsd"
    OPENBSD = "openbsd"


class DriverState(enum.StrEnum):
    """How a kernel gets a driver that it needs before it can read the root file system."""

    BUILT_IN = "built in"
    INITRAMFS = "in the initramfs"
    MODULE = "module"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class Driver:
    """A driver of a kernel.

    :ivar name: such as `virtio_blk`.
    """

    name: str
    state: DriverState
    place: Place


@dataclasses.dataclass(frozen=True)
class InitramfsSetting:
    """For which hardware the system makes its initramfs files.

    :ivar is_generic: whether it is any hardware, or only that on which the file was made.
    :ivar text: the setting.
    """

    is_generic: bool
    text: str
    place: Place


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kernel:
    """A kernel of Linux.

    :ivar is_default: whether the boot loader starts it by itself, as far as that is known.
    :ivar drivers: those that another hypervisor needs; only of the default kernel.
    :ivar initramfs: None if there is none, or it was not found.
    :ivar initramfs_is_read: whether the drivers in the initramfs are known.
    :ivar initramfs_problem: why they are unknown although the initramfs was read.
    """

    version: str
    place: Place
    is_default: bool = False
    drivers: tuple[Driver, ...] = ()
    initramfs: Place | None = None
    initramfs_is_read: bool = False
    initramfs_problem: str = ""

    def driver(self, name: str) -> Driver | None:
        """Return the driver with this name, or None if the inspection did not look for it."""
        return next((each for each in self.drivers if each.name == name), None)


@dataclasses.dataclass(frozen=True)
class Mount:
    """A line of fstab, or a root file system in the configuration of a boot loader.

    :ivar device: as written there, such as `UUID=...` or `/dev/xvda1`.
    :ivar target: the directory; `none` for swap.
    """

    device: str
    target: str
    place: Place
    is_optional: bool = False


@dataclasses.dataclass(frozen=True)
class CloudInit:
    """cloud-init in a system.

    :ivar version: empty if unknown.
    :ivar datasources: in the order in which it tries them; None if the system does not limit them.
    :ivar is_disabled: whether a file keeps it from running.
    """

    version: str
    datasources: tuple[str, ...] | None
    place: Place
    datasources_place: Place | None = None
    is_disabled: bool = False


class AgentKind(enum.StrEnum):
    """A program that sets up or serves a virtual machine."""

    NOVA_AGENT = "nova-agent"
    XE_GUEST_UTILITIES = "xe-guest-utilities"
    QEMU_GUEST_AGENT = "qemu-guest-agent"
    CLOUDBASE_INIT = "cloudbase-init"


@dataclasses.dataclass(frozen=True)
class Agent:
    """A program that sets up or serves a virtual machine, and where it is installed."""

    kind: AgentKind
    place: Place


class LoaderKind(enum.StrEnum):
    """What starts a boot loader."""

    BIOS = "BIOS"
    UEFI = "UEFI"


@dataclasses.dataclass(frozen=True)
class BootLoader:
    """A boot loader.

    :ivar name: such as `GRUB`; empty if unknown.
    :ivar architecture: such as `x86_64`; empty if unknown.
    """

    kind: LoaderKind
    name: str
    place: Place
    architecture: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SystemFacts:
    """An operating system.

    :ivar place: the evidence.
    :ivar is_certain: False if the disk only looks like it, because the files cannot be read.
    :ivar id: `debian`, as in os-release; of other systems the kind.
    :ivar version: `12`, as in os-release.
    :ivar name: for people.
    :ivar architecture: such as `x86_64`; empty if unknown.
    :ivar is_installer: whether it installs a system rather than being one.
    :ivar initramfs_setting: None if it is unknown.
    :ivar mounts: the file systems in fstab.
    :ivar roots: the root file systems that boot loaders hand to a kernel.
    :ivar drivers: of Windows; those of Linux belong to a kernel.
    :ivar hardware_bindings: network configuration for hardware that another server does not have.
    :ivar addresses: addresses that another server does not have.
    :ivar consoles: devices of consoles and of logins on them.
    :ivar identities: what must be different in each server, but is set.
    :ivar is_hibernated: whether Windows will continue what it did on the old server.
    :ivar unreadable: files that could not be read, and why.
    """

    kind: SystemKind
    place: Place
    is_certain: bool = True
    id: str = ""
    version: str = ""
    name: str = ""
    architecture: str = ""
    is_installer: bool = False
    kernels: tuple[Kernel, ...] = ()
    initramfs_setting: InitramfsSetting | None = None
    mounts: tuple[Mount, ...] = ()
    roots: tuple[Mount, ...] = ()
    cloud_init: CloudInit | None = None
    agents: tuple[Agent, ...] = ()
    drivers: tuple[Driver, ...] = ()
    hardware_bindings: tuple[Seen, ...] = ()
    addresses: tuple[Seen, ...] = ()
    consoles: tuple[Seen, ...] = ()
    identities: tuple[Seen, ...] = ()
    is_hibernated: bool = False
    unreadable: tuple[Seen, ...] = ()

    @property
    def default_kernel(self) -> Kernel | None:
        """The kernel that the boot loader starts, as far as that is known."""
        return next((kernel for kernel in self.kernels if kernel.is_default), None)

    def has_agent(self, kind: AgentKind) -> bool:
        """Return whether an agent is installed."""
        return any(agent.kind is kind for agent in self.agents)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiskFacts:
    """What is inside a disk.

    :ivar table: `GPT`, `MBR` or `hybrid`; empty if the disk has no partition table.
    :ivar is_deep: whether the contents of initramfs files were read, too.
    :ivar notes: what is unusual or could not be read, in sentences.
    """

    size: int
    sector_size: int = 512
    table: str = ""
    volumes: tuple[VolumeFacts, ...] = ()
    systems: tuple[SystemFacts, ...] = ()
    loaders: tuple[BootLoader, ...] = ()
    is_deep: bool = False
    notes: tuple[Seen, ...] = ()

    def volume(self, name: str) -> VolumeFacts | None:
        """Return the volume with this name."""
        return next((volume for volume in self.volumes if volume.name == name), None)

    def has_loader(self, kind: LoaderKind) -> bool:
        """Return whether firmware of this kind finds a boot loader."""
        return any(loader.kind is kind for loader in self.loaders)
