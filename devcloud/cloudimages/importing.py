# SPDX-License-Identifier: Apache-2.0
"""Import tasks: create an image from an object of the caller."""

from collections.abc import Iterator
from typing import Any

from devcloud.cloudimages import vhd
from devcloud.cloudimages.failure import TaskFailed
from devcloud.cloudimages.options import OPTIONS
from devcloud.cloudimages.pace import CHUNK, pace
from devcloud.cloudimages.swift import CallerSwift, task_failures


def run(executor: Any, given: dict[str, Any]) -> dict[str, str]:
    """Import an object and return the result of the task.

    :raises TaskFailed: with the documented text; the image has been deleted.
    """
    _check_properties(given["image_properties"])
    source = _Object(CallerSwift(executor.context), given["import_from"])
    limits = vhd.Limits(OPTIONS.max_virtual_bytes, OPTIONS.max_physical_bytes)
    try:
        virtual_size = vhd.virtual_size(source.read, source.size, limits)
    except vhd.Refused as error:
        raise TaskFailed(str(error)) from error
    image_id = _new_image(executor, given["image_properties"]["name"])
    try:
        _fill(executor, image_id, source, virtual_size)
    except Exception as error:
        _remove(executor, image_id)
        if isinstance(error, TaskFailed):
            raise
        raise TaskFailed(f"Error: {error}") from error
    return {"image_id": image_id}


def _check_properties(properties: dict[str, Any]) -> None:
    if others := sorted(properties.keys() - {"name"}):
        raise TaskFailed(
            f"Error: only the image property 'name' is allowed, not {', '.join(others)}"
        )


class _Object:
    """The object to import."""

    def __init__(self, swift: CallerSwift, location: str) -> None:
        self._swift = swift
        self._container, _, self._name = location.partition("/")
        missing = "Error: Image not found for import. Possible invalid location"
        with task_failures("Swift object lookup", missing):
            headers = swift.head_object(self._container, self._name)
        self.size = int(headers["content-length"])

    def read(self, offset: int, length: int) -> bytes:
        wanted = {"Range": f"bytes={offset}-{offset + length - 1}"}
        with task_failures("Swift download"):
            _headers, body = self._swift.get_object(self._container, self._name, headers=wanted)
        assert isinstance(body, bytes)
        return body

    def chunks(self) -> Iterator[bytes]:
        with task_failures("Swift download"):
            _headers, body = self._swift.get_object(
                self._container, self._name, resp_chunk_size=CHUNK
            )
            yield from pace(body)


def _new_image(executor: Any, name: str) -> str:
    image = executor.image_factory.new_image(
        name=name,
        owner=executor.context.owner,
        disk_format="vhd",
        container_format="ovf",
        visibility="private",
        extra_properties={},
        tags=[],
    )
    executor.image_repo.add(image)
    return str(image.image_id)


def _fill(executor: Any, image_id: str, source: _Object, virtual_size: int) -> None:
    repo = executor.image_repo
    image = repo.get(image_id)
    image.status = "saving"
    repo.save(image)
    image = repo.get(image_id)
    image.set_data(_File(source.chunks()), size=source.size)
    if image.size != source.size:
        raise TaskFailed("Error: the object is shorter than its size")
    image.virtual_size = virtual_size
    repo.save(image, from_state="saving")


class _File:
    """Chunks as the file that glance_store reads; the size of a read is ignored."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def read(self, _size: int) -> bytes:
        return next(self._chunks, b"")

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks


def _remove(executor: Any, image_id: str) -> None:
    image = executor.image_repo.get(image_id)
    image.delete()
    executor.image_repo.remove(image)
