# SPDX-License-Identifier: Apache-2.0
"""Export tasks: write an image to the caller's container as a Dynamic Large Object."""

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import swiftclient
from glance.common import exception

from devcloud.cloudimages import vhd
from devcloud.cloudimages.failure import TaskFailed
from devcloud.cloudimages.options import OPTIONS
from devcloud.cloudimages.pace import pace
from devcloud.cloudimages.swift import CONNECTION_ERRORS, SWIFT_ERRORS, CallerSwift, task_failures

_LICENCE = "com.rackspace__1__options"
# The service also forbids the export of "Windows and Red Hat images".
_FORBIDDEN_SYSTEMS = {"windows", "redhat", "rhel"}


def run(executor: Any, given: dict[str, Any]) -> dict[str, str]:
    """Export an image and return the result of the task.

    :raises TaskFailed: if the image cannot be exported; the segments have been deleted, unless
        Swift refuses that.
    """
    image = _exportable(executor, given["image_uuid"])
    content = _Content(image)
    container, name = given["receiving_swift_container"], f"{image.image_id}.vhd"
    swift = CallerSwift(executor.context)
    _check_target(swift, container, name)
    with task_failures("Swift upload"):
        _upload(swift, container, name, content)
    return {"export_location": f"{container}/{name}"}


def _exportable(executor: Any, image_id: str) -> Any:
    try:
        image = executor.image_repo.get(image_id)
    except exception.NotFound as error:
        raise TaskFailed(f"Error: no image found with ID {image_id}") from error
    for wrong, reason in (
        (image.visibility == "public", "is public"),
        (image.owner != executor.context.owner, "is not owned by the caller"),
        (image.status != "active", f"is {image.status}, not active"),
        (_is_licensed(image.extra_properties), "cannot be exported because of its licence"),
    ):
        if wrong:
            raise TaskFailed(f"Error: image {image_id} {reason}")
    return image


def _is_licensed(properties: dict[str, Any]) -> bool:
    systems = {str(properties.get(name, "")).lower() for name in ("os_type", "os_distro")}
    return str(properties.get(_LICENCE, "0")) != "0" or not systems.isdisjoint(_FORBIDDEN_SYSTEMS)


def _check_target(swift: CallerSwift, container: str, name: str) -> None:
    with task_failures("Swift container lookup", f"Error: Swift container '{container}' not found"):
        swift.head_container(container)
    with task_failures("Swift object lookup"):
        if _exists(swift, container, name):
            raise TaskFailed(
                f"Swift already has an object with id '{name}' in container '{container}'"
            )


def _exists(swift: CallerSwift, container: str, name: str) -> bool:
    try:
        swift.head_object(container, name)
    except swiftclient.ClientException as error:
        if error.http_status != 404:
            raise
        return False
    return True


def _upload(swift: CallerSwift, container: str, name: str, content: "_Content") -> None:
    """Write the segments, and then the manifest that refers to them by their prefix."""
    written = []  # including a failed one: perhaps only its response was lost
    try:
        for number, start in enumerate(range(0, content.size, OPTIONS.segment_bytes), 1):
            length = min(OPTIONS.segment_bytes, content.size - start)
            written.append(f"{name}-{number:05d}")
            swift.put_object(
                container, written[-1], _Segment(content, start, length), content_length=length
            )
        written.append(name)
        manifest = {"X-Object-Manifest": quote(f"{container}/{name}-")}  # Swift decodes it
        swift.put_object(container, name, b"", headers=manifest)
    except Exception:
        for part in written:
            with contextlib.suppress(SWIFT_ERRORS, *CONNECTION_ERRORS):
                swift.delete_object(container, part)
        raise


class _Content:
    """The exported file: the image with new footers, as in every export of the service."""

    def __init__(self, image: Any) -> None:
        self._image = image
        self.size: int = image.size
        offsets = vhd.footer_offsets(self._stored, self.size)
        if not offsets:
            raise TaskFailed(f"Error: image {image.image_id} cannot be converted to a VHD")
        footer = vhd.renewed(self._stored(offsets[-1], 512))
        self._patches = dict.fromkeys(offsets, footer)

    def chunks(self, start: int, length: int) -> Iterator[bytes]:
        """Yield `length` bytes from `start` in chunks."""
        at = start
        for chunk in pace(self._image.get_data(offset=start, chunk_size=length)):
            yield self._patched(chunk, at)
            at += len(chunk)

    def _stored(self, offset: int, length: int) -> bytes:
        return b"".join(self._image.get_data(offset=offset, chunk_size=length))

    def _patched(self, chunk: bytes, at: int) -> bytes:
        for offset, new in self._patches.items():
            start, end = max(offset, at), min(offset + len(new), at + len(chunk))
            if start < end:
                chunk = chunk[: start - at] + new[start - offset : end - offset] + chunk[end - at :]
        return chunk


class _Segment:
    """A range of the content as a file that swiftclient can rewind."""

    def __init__(self, content: _Content, start: int, length: int) -> None:
        self._content, self._start, self._length = content, start, length
        self.seek(0)

    def seek(self, position: int) -> None:
        self._at = position
        self._rest = b""
        self._chunks = self._content.chunks(self._start + position, self._length - position)

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        data = self._rest or next(self._chunks, b"")
        cut = len(data) if size < 0 else size
        self._rest = data[cut:]
        self._at += len(data[:cut])
        return data[:cut]
