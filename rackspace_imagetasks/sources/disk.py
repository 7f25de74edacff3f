# SPDX-License-Identifier: Apache-2.0
"""The disk in a local file, whatever the file's format."""

import os
from collections.abc import Iterator
from typing import Self

from rackspace_imagetasks.bytesource import ByteSource, Extent, FileSource
from rackspace_imagetasks.exceptions import SourceError, VhdError
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.formats.vhd.reader import FixedDisk
from rackspace_imagetasks.sources.detect import detect
from rackspace_imagetasks.sources.qemu import QemuDisk
from rackspace_imagetasks.sources.self_contained import check_self_contained
from rackspace_imagetasks.text import format_size


class DiskSource:
    """A disk as a `ByteSource`, and the file that it is read from.

    :ivar file: the file itself, as a `ByteSource` too.
    :ivar format: `raw`, `vhd-fixed`, `vhd-dynamic`, `qcow2`, `vmdk`, `vdi`, `vhdx` or `qed`.
    """

    def __init__(self, file: FileSource, disk: ByteSource, format: str) -> None:  # noqa: A002
        self.file = file
        self.format = format
        self._disk = disk

    @property
    def size(self) -> int:
        """The disk's size in bytes, as its machine sees it."""
        return self._disk.size

    @property
    def name(self) -> str:
        """The file's path."""
        return self.file.name

    @property
    def identity(self) -> str:
        """Name the content by the file's identity and the format it is read as."""
        return f"{self.file.identity}-{self.format}"

    @property
    def description(self) -> str:
        """What it is, for people: `qcow2 disk of 40 GiB`."""
        return f"{self.format} disk of {format_size(self.size)}"

    def read_at(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes of the disk from `offset`."""
        return self._disk.read_at(offset, length)

    def data_extents(self) -> Iterator[Extent]:
        """Return the extents that may hold data."""
        return self._disk.data_extents()

    def verify_unchanged(self) -> None:
        """Check the file.

        :raises SourceChanged: when it was written to, replaced or removed.
        """
        self.file.verify_unchanged()

    def close(self) -> None:
        """Let go of the disk and its file."""
        self._disk.close()
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def open_source(path: str | os.PathLike[str], *, format: str | None = None) -> DiskSource:  # noqa: A002
    """Open the disk in the file `path`.

    Raw disks and VHDs are read by this package, other formats through `qemu-nbd`.

    :param format: one of `detect.FORMATS`; None to find out.
    :raises SourceError: when it is no readable disk that is complete in this file.
    :raises VhdError: when it is a VHD that cannot be read.
    """
    file = FileSource(path)
    try:
        return _open_disk(file, detect(file, format))
    except BaseException:
        file.close()
        raise


def _require_certain(file: FileSource) -> None:
    """Check that a VHD leaves no doubt what its disk holds; the rest a conversion mends.

    :raises VhdError: with all that is in doubt.
    """
    if doubts := vhd.check(file).doubts:
        raise VhdError(*(f"'{file.name}': {each.detail} {each.remedy}".rstrip() for each in doubts))


def _open_disk(file: FileSource, format_: str) -> DiskSource:
    disk: ByteSource = file
    if format_ == "vhd":
        _require_certain(file)
        disk = vhd.open_disk(file)
        format_ = "vhd-fixed" if isinstance(disk, FixedDisk) else "vhd-dynamic"
    elif format_ != "raw":
        check_self_contained(file, format_)
        disk = QemuDisk(file, format_)
    if not disk.size:
        disk.close()
        raise SourceError(f"'{file.name}' holds an empty disk, of 0 bytes.")
    return DiskSource(file, disk, format_)
