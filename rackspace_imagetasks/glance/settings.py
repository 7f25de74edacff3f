# SPDX-License-Identifier: Apache-2.0
"""The settings of an image that are made after its import. Pure."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Self

from rackspace_imagetasks.glance.facts import ImageFacts


@dataclasses.dataclass(frozen=True)
class ImageSettings:
    """Attributes that an import task cannot set, set once the image is active.

    `min_disk` is in GiB, `min_ram` in MiB.
    """

    properties: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tags: tuple[str, ...] = ()
    min_disk: int | None = None
    min_ram: int | None = None
    visibility: str | None = None
    name: str | None = None
    """The final name of an image that was created with another one."""

    def __bool__(self) -> bool:
        return any(self.patches())

    def are_on(self, image: ImageFacts) -> bool:
        """Return whether the image has all of these settings."""
        return not self.missing_on(image)

    def missing_on(self, image: ImageFacts) -> list[str]:
        """Return the names of the settings that the image does not have."""
        missing = [k for k, value in self.properties.items() if image.properties.get(k) != value]
        if self.tags and set(self.tags) != set(image.tags):
            missing.append("tags")
        others = ("min_disk", "min_ram", "visibility", "name")
        missing += [k for k in others if getattr(self, k) not in (None, getattr(image, k))]
        return missing

    def completed(self, found: Mapping[str, str]) -> Self:
        """Return the settings with the properties that were found and that they do not have."""
        return dataclasses.replace(self, properties={**found, **self.properties})

    def patches(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Yield what each change is called, and a JSON patch that is safe to send twice.

        The visibility is last and on its own: a cloud may refuse it while it allows the others.
        """
        values: dict[str, Any] = {
            **self.properties,
            "tags": sorted(set(self.tags)) or None,
            "min_disk": self.min_disk,
            "min_ram": self.min_ram,
            "name": self.name,
        }
        if changes := _changes(values):
            yield "settings", changes
        if changes := _changes({"visibility": self.visibility}):
            yield f"visibility '{self.visibility}'", changes


NO_SETTINGS = ImageSettings()


def _changes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"op": "add", "path": f"/{_pointer(key)}", "value": value}
        for key, value in values.items()
        if value is not None
    ]


def _pointer(key: str) -> str:
    """Escape a key for a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
