# SPDX-License-Identifier: Apache-2.0
"""An object in Swift as a byte source: a few ranged GETs are enough to check 40 GB."""

from collections.abc import Iterator

from rackspace_imagetasks.bytesource import Extent
from rackspace_imagetasks.exceptions import (
    IntegrityError,
    NotFound,
    ServiceError,
    SourceChanged,
    SourceError,
)
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.store import ObjectStore


class ObjectSource:
    """One version of an object of any kind.

    :raises NotFound: if it does not exist.
    :raises ServiceError: if the service does not return an ETag to tell its versions apart.
    """

    def __init__(self, store: ObjectStore, name: ObjectName) -> None:
        self._store = store
        self._object = name
        self.name = str(name)
        info = store.head_object(name)
        if info is None:
            raise NotFound(f"Object '{name}' not found.")
        if not info.etag:
            raise ServiceError(
                f"The service does not return the ETag of object '{name}', so a change while it is"
                " being read could not be detected."
            )
        self.info = info

    @property
    def size(self) -> int:
        """The length in bytes."""
        return self.info.size

    @property
    def identity(self) -> str:
        """The ETag, which identifies the content."""
        return "".join(c for c in self.info.etag if c.isalnum()) or "object"

    def read_at(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes from `offset`.

        :raises SourceChanged: if the object was replaced.
        """
        if offset < 0 or length < 0 or offset + length > self.size:
            raise SourceError(
                f"Object '{self.name}' does not contain {length} bytes at offset {offset}."
            )
        try:
            return b"".join(self._store.get_range(self._object, offset, length, self.info.etag))
        except IntegrityError as error:
            raise SourceChanged(*error.messages) from error

    def data_extents(self) -> Iterator[Extent]:
        """Yield the whole object as one extent."""
        if self.size:
            yield Extent(0, self.size)

    def verify_unchanged(self) -> None:
        """Check that size and ETag are those of the version that was opened.

        :raises SourceChanged: if the object was replaced or deleted.
        """
        info = self._store.head_object(self._object)
        if info is None or (info.size, info.etag) != (self.info.size, self.info.etag):
            raise SourceChanged(f"Object '{self.name}' changed while it was being read.")

    def close(self) -> None:
        """Do nothing: the session belongs to the caller."""
