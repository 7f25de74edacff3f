# SPDX-License-Identifier: Apache-2.0
r"""Windows, recognized by its files: what is installed, and what belongs to it.

An answer is never a guess: if a file could not be looked up, `find` raises `Damaged`, and Windows
may or may not be there. What is known of Windows beyond that is optional; what could not be read
is in its notes.
"""

import contextlib
import enum
import struct
from collections.abc import Collection, Iterator
from typing import NamedTuple

from rackspace_imagetasks.guest._tree import Tree
from rackspace_imagetasks.guest.filesystems.base import Damaged, FileSystem, Volume
from rackspace_imagetasks.guest.filesystems.iso import Iso
from rackspace_imagetasks.guest.systems._registry import Hive

_FOLDERS = ("Windows/System32", "WINNT/system32")  # the latter until Windows 2000
_KERNEL = "ntoskrnl.exe"
_INSTALLERS = (
    "sources/install.wim", "sources/install.esd", "sources/install.swm", "sources/boot.wim",
    "i386/txtsetup.sif", "amd64/txtsetup.sif",
)  # fmt: skip
_BOOT_MANAGERS = ("bootmgr", "Boot/BCD", "EFI/Microsoft/Boot/bootmgfw.efi", "ntldr")
_SOFTWARE = "config/SOFTWARE"
_SYSTEM = "config/SYSTEM"
_AT_BOOT = "0"  # the boot loader loads the driver, so that Windows finds its own disk
_CURRENT_VERSION = r"Microsoft\Windows NT\CurrentVersion"
_VALUES = (
    "ProductName", "InstallationType", "CurrentBuild", "CurrentBuildNumber", "UBR", "BuildLabEx",
    "CurrentVersion", "CurrentMajorVersionNumber", "CurrentMinorVersionNumber",
)  # fmt: skip
_PUBLISHER = "MICROSOFT CORPORATION"
_FIRST_BUILD_OF_11 = 22000
_HIBERNATION = "hiberfil.sys"
_AGENTS = {
    "cloudbase-init": "Program Files/Cloudbase Solutions/Cloudbase-Init",
    "nova-agent": "Program Files/Rackspace/Cloud Servers/Agent",
    "qemu-guest-agent": "Program Files/Qemu-ga/qemu-ga.exe",
    "xe-guest-utilities": "Program Files/Citrix/XenTools",
}
_DRIVERS = (
    "netkvm", "vioscsi", "viostor", "xenbus", "xennet", "xenvbd",
)  # fmt: skip
_MACHINES = {0x014C: "i686", 0x8664: "x86_64", 0xAA64: "aarch64"}
_BUILD_MACHINES = {"x86fre": "i686", "amd64fre": "x86_64", "arm64fre": "aarch64"}
_PE_START = 4096  # bytes in which the header of a program is
_BOOT_CODE = 8192  # bytes of NTFS with its boot code: 16 sectors
_NTFS, _BITLOCKER = b"NTFS    ", b"-FVE-FS-"


class Role(enum.Enum):
    """What of Windows is in a file system."""

    INSTALLED = "installed system"
    INSTALLER = "installation medium"
    BOOT_MANAGER = "boot manager"


class Windows(NamedTuple):
    r"""What was found of Windows; text is empty where nothing is known.

    :ivar evidence: what identifies it, such as `\Windows\System32\ntoskrnl.exe`.
    :ivar product: such as `Windows Server 2022 Standard`.
    :ivar version: such as `10.0`.
    :ivar build: such as `20348.2113`.
    :ivar installation: `Client`, `Server`, `Server Core`, `WindowsPE`, ...
    :ivar architecture: as the Image service names it, such as `x86_64`.
    :ivar is_hibernated: whether memory was saved to the disk, as in a fast startup, too; None if
        that is not known.
    :ivar agents: the installed agents, by the names of their projects.
    :ivar drivers: the virtio and Xen drivers whose files are there.
    :ivar boot_drivers: those that Windows loads when it boots.
    :ivar notes: what could not be read.
    """

    role: Role
    evidence: str
    product: str = ""
    version: str = ""
    build: str = ""
    installation: str = ""
    architecture: str = ""
    is_hibernated: bool | None = None
    agents: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    boot_drivers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find(tree: Tree) -> Windows | None:
    """Return what of Windows is in a file system, or None if there is certainly nothing.

    :raises Damaged: if that cannot be told.
    """
    if disc := _installation_disc(tree.root):
        return disc
    if tree.root.is_case_sensitive:
        return None  # no version of Windows is there, at most a copy of its files
    for folder in _FOLDERS:
        if tree.is_file(f"{folder}/{_KERNEL}"):
            return _describe(tree, folder)
    for role, paths in ((Role.INSTALLER, _INSTALLERS), (Role.BOOT_MANAGER, _BOOT_MANAGERS)):
        for path in paths:
            if tree.is_file(path):
                return Windows(role, _written(path))
    return None


def likeness(volume: Volume) -> str:
    """Return why a volume that cannot be read probably belongs to Windows; empty if it does not.

    :raises SourceError: if its first bytes cannot be read.
    """
    boot = volume.read(0, min(volume.size, _BOOT_CODE))
    if boot[3:11] == _BITLOCKER:
        return "BitLocker signature"
    names = (name.encode(encoding) for name in ("BOOTMGR", "NTLDR") for encoding in _ENCODINGS)
    if boot[3:11] == _NTFS and any(name in boot for name in names):
        return "boot code of Windows"
    return ""


_ENCODINGS = ("ascii", "utf-16-le")


def _installation_disc(files: FileSystem) -> Windows | None:
    """Return what a disc tells of itself: all files of one of Microsoft's are in UDF."""
    if isinstance(files, Iso) and files.has_udf and files.publisher.upper().startswith(_PUBLISHER):
        return Windows(Role.INSTALLER, f"the publisher of the disc, {files.publisher}")
    return None


class _Notes(list[str]):
    """What could not be read."""

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Note that something is damaged, and go on."""
        try:
            yield
        except Damaged as error:
            self.append(error.text)


def _describe(tree: Tree, folder: str) -> Windows:
    """Return what is known of an installed Windows."""
    notes = _Notes()
    found = Windows(Role.INSTALLED, _written(f"{folder}/{_KERNEL}"))
    with notes.reading():
        found = _with_version(found, tree, f"{folder}/{_SOFTWARE}")
    with notes.reading():
        machine = _machine(tree, f"{folder}/{_KERNEL}")
        found = found._replace(architecture=machine or found.architecture)
    with notes.reading():
        found = found._replace(is_hibernated=_is_hibernated(tree))
    with notes.reading():
        found = found._replace(agents=_existing(tree, _AGENTS))
    with notes.reading():
        paths = {name: f"{folder}/drivers/{name}.sys" for name in _DRIVERS}
        found = found._replace(drivers=_existing(tree, paths))
    with notes.reading():
        loaded = _boot_drivers(tree, f"{folder}/{_SYSTEM}") if found.drivers else ()
        found = found._replace(boot_drivers=tuple(it for it in found.drivers if it in loaded))
    return found._replace(notes=tuple(notes))


def _written(path: str) -> str:
    """Return a path as Windows writes it."""
    return "\\" + path.replace("/", "\\")


def _existing(tree: Tree, paths: dict[str, str]) -> tuple[str, ...]:
    return tuple(name for name, path in paths.items() if tree.status(path))


def _with_version(found: Windows, tree: Tree, path: str) -> Windows:
    values = _values(_hive(tree, path), _CURRENT_VERSION, _VALUES)
    build = values.get("CurrentBuild") or values.get("CurrentBuildNumber", "")
    laboratory = values.get("BuildLabEx", "").split(".")
    return found._replace(
        product=_product(values, build),
        version=_version(values),
        build=".".join(filter(None, (build, values.get("UBR")))),
        installation=values.get("InstallationType", ""),
        architecture=next((_BUILD_MACHINES[it] for it in laboratory if it in _BUILD_MACHINES), ""),
    )


def _hive(tree: Tree, path: str) -> Hive:
    file = tree.open(path)
    if file is None:
        raise Damaged(f"'{_written(path)}' does not exist.")
    return Hive(file)


def _values(hive: Hive, path: str, names: Collection[str]) -> dict[str, str]:
    """Return values of a key that must exist."""
    key = hive.key(path)
    if key is None:
        raise Damaged(f"The registry does not have the key '{path}'.")
    return hive.values(key, names)


def _boot_drivers(tree: Tree, path: str) -> tuple[str, ...]:
    """Return those of the known drivers that the boot loader loads."""
    hive = _hive(tree, path)
    number = _values(hive, "Select", ["Current"]).get("Current", "1")
    services = f"ControlSet{number.zfill(3)}\\Services"
    starts = {}
    for name in _DRIVERS:
        if key := hive.key(f"{services}\\{name}"):
            starts[name] = hive.values(key, ["Start"]).get("Start")
    return tuple(name for name, start in starts.items() if start == _AT_BOOT)


def _product(values: dict[str, str], build: str) -> str:
    """Return the name of the product; Windows 11 calls itself Windows 10 there."""
    name = values.get("ProductName", "")
    is_11 = build.isdecimal() and int(build) >= _FIRST_BUILD_OF_11
    return name.replace("Windows 10", "Windows 11", 1) if is_11 else name


def _version(values: dict[str, str]) -> str:
    """Return the version; the one number that had it before Windows 10 remains 6.3 since."""
    major = values.get("CurrentMajorVersionNumber")
    if major is None:
        return values.get("CurrentVersion", "")
    return f"{major}.{values.get('CurrentMinorVersionNumber', '0')}"


def _machine(tree: Tree, path: str) -> str:
    """Return the architecture for which a program is made, empty if it is another one."""
    start = (tree.read(path, _PE_START) or b"").ljust(_PE_START, b"\0")
    (at,) = struct.unpack_from("<I", start, 60)
    if start[:2] != b"MZ" or start[at : at + 4] != b"PE\0\0":
        raise Damaged(f"'{_written(path)}' is not a program.")
    return _MACHINES.get(int.from_bytes(start[at + 4 : at + 6], "little"), "")


def _is_hibernated(tree: Tree) -> bool:
    """Return whether memory was saved; the file begins otherwise after it has been restored."""
    return (tree.read(_HIBERNATION, 4) or b"").lower() == b"hibr"
