# SPDX-License-Identifier: Apache-2.0
"""What is known about an image, apart from how it is requested."""

import dataclasses
from collections.abc import Mapping

# The members of an image's flat JSON object that are not properties (Images API v2, "Show image").
ATTRIBUTES = frozenset({
    "checksum", "container_format", "created_at", "direct_url", "disk_format", "file", "id",
    "locations", "min_disk", "min_ram", "name", "os_hash_algo", "os_hash_value", "os_hidden",
    "owner", "protected", "schema", "self", "size", "status", "stores", "tags", "updated_at",
    "virtual_size", "visibility",
})  # fmt: skip


@dataclasses.dataclass(frozen=True)
class ImageFacts:
    """What policy must know about an image. Sizes in bytes; min_disk in GiB, min_ram in MiB.

    :ivar checksum: the MD5 of the image data in hex; empty if the service does not give it.
    :ivar hash_algo: the algorithm of `hash_value`, such as "sha512"; empty if there is none.
    :ivar hash_value: another hash of the image data in hex.
    """

    id: str
    name: str | None
    owner: str | None
    status: str
    visibility: str
    size: int | None
    virtual_size: int | None
    min_disk: int
    min_ram: int
    tags: tuple[str, ...]
    properties: Mapping[str, str]
    created_at: str = ""
    checksum: str = ""
    hash_algo: str = ""
    hash_value: str = ""
    disk_format: str = ""
    container_format: str = ""

    @property
    def label(self) -> str:
        """The name, or the ID of an image without a name."""
        return self.name or self.id

    @property
    def title(self) -> str:
        """The subject of a message about the image."""
        return f"Image '{self.label}'"
