# SPDX-License-Identifier: Apache-2.0
"""An object in Swift as a byte source: a few ranged GETs judge 40 GB."""

from collections.abc import Iterator

from rackspace_imagetasks.bytesource import Extent
from rackspace_imagetasks.exceptions import (
    IntegrityError,
    NotFound,
    ServiceError,
    SourceChanged,
    SourceError,
)
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.text import printable


class ObjectSource:
    """One version of an object, whatever it is made of.

    :raises NotFound: when there is none.
    :raises ServiceError: when nothing tells one version from another.
    """

    def __init__(self, store: ObjectStore, container: str, name: str) -> None:
        self._store = store
        self._container = container
        self._object = name
        self.name = printable(f"{container}/{name}")
        info = store.head_object(container, name)
        if info is None:
            raise NotFound(f"There is no object '{self.name}'.")
        if not info.etag:
            raise ServiceError(
                f"The service does not tell the ETag of '{self.name}': whether it changes while it"
                " is read could not be known."
            )
        self.info = info

    @property
    def size(self) -> int:
        """The length in bytes."""
        return self.info.size

    @property
    def identity(self) -> str:
        """Name the content by its ETag."""
        return "".join(c for c in self.info.etag if c.isalnum()) or "object"

    def read_at(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes from `offset`.

        :raises SourceChanged: when the object was replaced.
        """
        if offset < 0 or length < 0 or offset + length > self.size:
            raise SourceError(f"'{self.name}' holds no {length} bytes at offset {offset}.")
        try:
            return b"".join(
                self._store.get_range(self._container, self._object, offset, length, self.info.etag)
            )
        except IntegrityError as error:
            raise SourceChanged(str(error)) from error

    def data_extents(self) -> Iterator[Extent]:
        """Yield the whole as one extent."""
        if self.size:
            yield Extent(0, self.size)

    def verify_unchanged(self) -> None:
        """Compare size and ETag with then.

        :raises SourceChanged: when the object was replaced or deleted.
        """
        info = self._store.head_object(self._container, self._object)
        if info is None or (info.size, info.etag) != (self.info.size, self.info.etag):
            raise SourceChanged(f"'{self.name}' changed while it was read.")

    def close(self) -> None:
        """Do nothing: the session is the caller's."""
