# SPDX-License-Identifier: Apache-2.0
"""Disks in the formats that QEMU reads, served to this process alone by a `qemu-nbd` child.

There is no temporary file and no socket with a name in the file system. QEMU opens only this one
source, in this one format, without a backing file. It never probes the format and never
interprets a file name as a URL.
"""

import json
from collections.abc import Iterator

from rackspace_imagetasks.bytesource import ByteSource, Extent
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.sources._file_layer import FileLayer, file_layer
from rackspace_imagetasks.sources._nbd import NbdDisk
from rackspace_imagetasks.sources._nbd_protocol import MAX_READ, NbdError
from rackspace_imagetasks.sources._qemu_nbd import Server
from rackspace_imagetasks.sources._readahead import ReadAhead
from rackspace_imagetasks.sources._tools import failure, last_line, qemu_img

# Exit statuses of `qemu-img check` of a sound disk.
_SOUND, _ONLY_LEAKS, _CANNOT_CHECK = 0, 3, 63


class QemuDisk(ReadAhead):
    """The disk in `source`, which remains open.

    :param driver: QEMU's name of the format.
    :raises SourceError: when qemu-nbd is not installed, or cannot read the source.
    """

    def __init__(self, source: ByteSource, driver: str) -> None:
        self._source = source
        self._layer = file_layer(source)
        try:
            with self._layer.explained():
                _check_whole(self._layer, driver)
                self._server = Server(self._layer, driver)
                disk = self._connect(driver)
        except BaseException:
            self._layer.close()
            raise
        super().__init__(disk, MAX_READ)

    def _read(self, offset: int, length: int) -> bytes:
        with self._layer.explained():
            try:
                return super()._read(offset, length)
            except NbdError as error:
                raise self._reason(error) from error

    def data_extents(self) -> Iterator[Extent]:
        """Yield the disk's extents."""
        with self._layer.explained():
            try:
                yield from super().data_extents()
            except NbdError as error:
                raise self._reason(error) from error

    def _reason(self, error: NbdError) -> SourceError:
        """Return why the child ended, if it did; otherwise the error itself."""
        return failure("qemu-nbd", *self._server.end(), self._source.name) or error

    def verify_unchanged(self) -> None:
        """Check that the source is still the one that was opened.

        :raises SourceChanged: when it was written to, replaced or removed.
        """
        self._source.verify_unchanged()

    def close(self) -> None:
        """End the child, then close the connections."""
        self._server.close()
        self._layer.close()

    def _connect(self, driver: str) -> NbdDisk:
        source = self._source
        try:
            return NbdDisk(self._server.sockets, source.name, f"{source.identity}-{driver}")
        except NbdError as error:
            status, output = self._server.end()
            self._server.close()
            raise failure("qemu-nbd", status, output, source.name) or SourceError(
                f"qemu-nbd cannot read '{source.name}' as {driver}:"
                f" {(last_line(output) or str(error)).rstrip('.')}."
            ) from error
        except BaseException:
            self._server.close()
            raise


def _check_whole(layer: FileLayer, driver: str) -> None:
    """Check the disk's tables: QEMU reads the missing part of a truncated file as zeros.

    :raises SourceError: when they are damaged or refer to data after the end of the file, or when
        qemu-img cannot check them.
    """
    source = layer.source
    with qemu_img("check", layer, driver) as (checking, errors):
        checking.communicate()
        status, output = checking.returncode, errors()
    if status not in (_SOUND, _ONLY_LEAKS, _CANNOT_CHECK):
        raise failure("qemu-img", status, output, source.name) or _damaged(
            source.name, last_line(output) or "its tables are inconsistent"
        )
    with qemu_img("map", layer, driver) as (mapping, errors):
        assert mapping.stdout
        if any(_ends_after(line, source.size) for line in mapping.stdout):
            raise _damaged(source.name, "its last data would be after the end of the file")
        status, output = mapping.wait(), errors()
    if status:
        raise failure("qemu-img", status, output, source.name) or _damaged(
            source.name, "its tables cannot be read to their end"
        )


def _ends_after(line: bytes, size: int) -> bool:
    """Return whether an extent, a line of `qemu-img map`, ends after the end of the file.

    `qemu-img check` does not detect the loss of less than a cluster.
    """
    try:
        extent = json.loads(line.strip().strip(b"[],"))
    except ValueError:
        return False
    if not extent.get("data") or extent.get("compressed") or "offset" not in extent:
        return False
    return int(extent["offset"]) + int(extent["length"]) > size


def _damaged(name: str, reason: str) -> SourceError:
    text = f"'{name}' is damaged or incomplete: {reason.rstrip('.')}."
    return SourceError(Message(text, Hint.COMPARE_WITH_ORIGINAL))
