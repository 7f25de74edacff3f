# SPDX-License-Identifier: Apache-2.0
"""The disk in a file, whatever the format of the file and wherever its bytes are."""

import os
from collections.abc import Iterator

from rackspace_imagetasks.bytesource import (
    BaseSource,
    ByteSource,
    Extent,
    FileSource,
    stored_extents,
)
from rackspace_imagetasks.exceptions import SourceError, VhdError
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.messages import Message
from rackspace_imagetasks.sources._block_cache import BlockCache
from rackspace_imagetasks.sources._detect import detect
from rackspace_imagetasks.sources._qemu import QemuDisk
from rackspace_imagetasks.sources._self_contained import check_self_contained, notices
from rackspace_imagetasks.text import format_size


class DiskSource(BaseSource):
    """A disk, and the file from which it is read.

    :ivar file: the bytes of the file itself.
    :ivar format: `raw`, `vhd-fixed`, `vhd-dynamic`, `qcow2`, `vmdk`, `vdi`, `vhdx` or `qed`.
    :ivar notices: what a conversion of the disk leaves out.
    """

    def __init__(
        self,
        file: ByteSource,
        disk: ByteSource,
        format: str,  # noqa: A002
        notices: tuple[Message, ...] = (),
    ) -> None:
        super().__init__(file.name, disk.size, f"{file.identity}-{format}")
        self.file = file
        self.format = format
        self.notices = notices
        self._disk = disk

    @property
    def description(self) -> str:
        """The format and size, for people: `qcow2, 40 GiB`."""
        return f"{self.format}, {format_size(self.size)}"

    def _read(self, offset: int, length: int) -> bytes:
        return self._disk.read_at(offset, length)

    def data_extents(self) -> Iterator[Extent]:
        """Return the extents that may contain data."""
        return self._disk.data_extents()

    def stored_extents(self) -> Iterator[Extent]:
        """Return the same extents in the order in which the file stores them."""
        return stored_extents(self._disk)

    def verify_unchanged(self) -> None:
        """Check that the file is still the one that was opened.

        :raises SourceChanged: when it was written to, replaced or removed.
        """
        self.file.verify_unchanged()

    def close(self) -> None:
        """Close the disk and its file."""
        self._disk.close()
        self.file.close()


def open_source(
    source: str | os.PathLike[str] | FileSource,
    *,
    format: str | None = None,  # noqa: A002
) -> DiskSource:
    """Open the disk in a local file, given by its path or already open.

    Raw disks and VHDs are read by this package, other formats through `qemu-nbd`. The file is
    closed with the disk, and after an error.

    :param format: one of `detect.FORMATS`; None to detect it.
    :raises SourceError: when there is no readable disk that is complete in this file.
    :raises VhdError: when it is a VHD that cannot be read.
    """
    file = source if isinstance(source, FileSource) else FileSource(source)
    return open_disk_of(file, format=format)


def open_disk_of(
    file: ByteSource,
    *,
    format: str | None = None,  # noqa: A002
) -> DiskSource:
    """Open the disk in a file wherever its bytes are: on disk, in memory, in an object or an image.

    It is like `open_source`, and as little is written to local files: nothing. An error of the
    file itself, such as a ServiceError, is raised as it is, also when QEMU reads the file.
    """
    near = file if isinstance(file, FileSource) else BlockCache(file)
    try:
        return open_parsed(file, vhd.VhdFile(near), format)
    except BaseException:
        file.close()
        raise


def open_parsed(file: ByteSource, parsed: vhd.VhdFile, asked: str | None) -> DiskSource:
    """Open the disk in an open file whose structures as a VHD are already read.

    All formats but raw are read from where those structures were, which may be a cache of the file.
    Unlike `open_disk_of`, it leaves the file open after an error.
    """
    format_ = detect(parsed, asked)
    disk: ByteSource = file
    lost: tuple[Message, ...] = ()
    if format_ == "vhd":
        _require_certain(parsed)
        inner = vhd.open_disk(parsed)
        disk, format_ = inner, f"vhd-{inner.kind}"
    elif format_ != "raw":
        check_self_contained(parsed.source, format_)
        lost = notices(parsed.source, format_)
        disk = QemuDisk(parsed.source, format_)
    if not disk.size:
        disk.close()
        raise SourceError(f"The disk in '{file.name}' is empty: it has 0 bytes.")
    return DiskSource(file, disk, format_, lost)


def _require_certain(parsed: vhd.VhdFile) -> None:
    """Check that the content of a VHD's disk is certain; a conversion repairs other errors.

    :raises VhdError: with everything that is uncertain.
    """
    if doubts := vhd.check(parsed).doubts:
        raise VhdError(*(each.message_about(parsed.name) for each in doubts))
