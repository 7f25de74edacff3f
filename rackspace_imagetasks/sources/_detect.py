# SPDX-License-Identifier: Apache-2.0
"""Detection of a disk image's format by its content, never by its name."""

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.formats.contents import read_content
from rackspace_imagetasks.formats.partitions import read_table
from rackspace_imagetasks.formats.signatures import recognise
from rackspace_imagetasks.formats.vhd import VhdFile
from rackspace_imagetasks.formats.window import Window
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.units import SECTOR

FORMATS = ("raw", "vhd", "qcow2", "vmdk", "vdi", "vhdx", "qed")
"""The formats that can be read, as users name them."""

# What each format is that cannot be read, and what to do.
_UNREADABLE = {
    "vmdk descriptor": (
        "is the descriptor of a VMware disk, whose data is in other files",
        Hint.FLATTEN_DISK,
    ),
    "vmdk extent": ("is one extent of a VMware ESX disk", Hint.FLATTEN_FROM_DESCRIPTOR),
    "parallels": ("is a Parallels disk", Hint.FLATTEN_PARALLELS),
    "dmg": ("is an Apple disk image", Hint.FLATTEN_DMG),
    "gzip": ("is compressed", Hint.DECOMPRESS_GZIP),
    "xz": ("is compressed", Hint.DECOMPRESS_XZ),
    "zstd": ("is compressed", Hint.DECOMPRESS_ZSTD),
    "bzip2": ("is compressed", Hint.DECOMPRESS_BZIP2),
    "7z": ("is a 7z archive", Hint.UNPACK_7Z),
    "zip": ("is a ZIP archive", Hint.UNPACK_ZIP),
    "tar": ("is a tar archive, as an OVA is", Hint.UNPACK_TAR),
    "iso": ("is a CD image, from which a system can be installed", Hint.INSTALL_FROM_CD),
}


def detect(source: ByteSource | VhdFile, asked: str | None = None) -> str:
    """Return the one of `FORMATS` that a file is in.

    :param asked: the format that the user specified: `raw` is believed, another one is checked.
    :raises SourceError: when it is in none of them, or may be in more than one.
    """
    file = VhdFile.of(source)
    name = file.name
    if file.size == 0:
        raise SourceError(Message(f"'{name}' is empty.", Hint.NAME_DISK_FILE))
    found = {signature.format for signature in recognise(file.window)}
    if file.is_vhd:
        found.add("vhd")
    if asked:
        _check_asked(name, asked, found)
        found = {asked}
    found = found or {"raw"}
    if len(found) > 1:
        text = f"'{name}' looks like {' and '.join(sorted(found))} at the same time."
        raise SourceError(Message(text, Hint.SPECIFY_FORMAT))
    (format_,) = found
    if format_ in _UNREADABLE:
        raise _unreadable(name, format_)
    if format_ == "raw":
        _check_whole_sectors(file)
    return format_


def _unreadable(name: str, format_: str) -> SourceError:
    reason, hint = _UNREADABLE[format_]
    return SourceError(
        Message(f"'{name}' {reason}.", hint),
        Message("A raw disk can begin with the same bytes.", Hint.SPECIFY_RAW_FORMAT),
    )


def _check_asked(name: str, asked: str, found: set[str]) -> None:
    if asked not in FORMATS:
        raise SourceError(f"Unknown format '{asked}'. Available formats: {', '.join(FORMATS)}.")
    if asked != "raw" and asked not in found:
        looks_like = " and ".join(sorted(found)) or "raw"
        raise SourceError(f"'{name}' is not in the format {asked}; it looks like {looks_like}.")


def _check_whole_sectors(file: VhdFile) -> None:
    if file.size % SECTOR:
        text = (
            f"'{file.name}' is not a disk image: its format is unknown, and its size of"
            f" {file.size} bytes is not a multiple of 512 as that of a raw disk is."
        )
        raise SourceError(Message(text, Hint.PAD_FILE))


def looks_like_raw(disk: ByteSource) -> bool:
    """Return whether a disk has a boot sector, a partition table, or contents that are known.

    A file that has none may be in a format that is not known here.
    """
    window = Window(disk)
    has_boot_sector = window.read(SECTOR - 2, 2) == b"\x55\xaa"
    return has_boot_sector or read_table(disk) is not None or read_content(disk) is not None
