# SPDX-License-Identifier: Apache-2.0
"""What a provider would refuse, found before anything is sent. Pure: facts in, verdicts out."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Self

from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.formats.vhd import Finding, Report
from rackspace_imagetasks.glance.facts import ATTRIBUTES, ImageFacts
from rackspace_imagetasks.glance.settings import ImageSettings
from rackspace_imagetasks.messages import Message
from rackspace_imagetasks.profile import ProviderProfile
from rackspace_imagetasks.text import format_size, printable
from rackspace_imagetasks.units import GIB

_LONGEST_TAG = 255  # Images API v2, "Image tags"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Sentences: what stands in the way, and what the user should know all the same."""

    refusals: tuple[str | Message, ...] = ()
    warnings: tuple[str | Message, ...] = ()

    def __add__(self, other: "Verdict") -> "Verdict":
        return Verdict(self.refusals + other.refusals, self.warnings + other.warnings)

    @classmethod
    def refuse(cls, *sentences: str | Message) -> Self:
        """Return the verdict that these stand in the way."""
        return cls(refusals=sentences)

    def enforce(self) -> None:
        """Stop here if anything stands in the way.

        :raises Refused: with all the reasons.
        """
        if self.refusals:
            raise Refused(*self.refusals)


def judge_export(image: ImageFacts, project_id: str, profile: ProviderProfile) -> Verdict:
    """Say what stands in the way of an export of `image` by the project `project_id`."""
    return Verdict(
        refusals=tuple(_ownership(image, project_id))
        + tuple(_status(image))
        + tuple(_licence(image, profile)),
        warnings=tuple(_asymmetry(image, profile)),
    )


def _ownership(image: ImageFacts, project_id: str) -> Iterable[str]:
    if image.visibility == "public":
        hint = "; make it private first" if image.owner == project_id else ""
        yield f"{image.title} is public, and no public image can be exported{hint}."
    elif image.owner != project_id:
        yield (
            f"{image.title} belongs to another project and is shared with yours; only its owner"
            " can export it."
        )


def _status(image: ImageFacts) -> Iterable[str]:
    if image.status != "active":
        yield (f"{image.title} is {printable(image.status)}; only an active image can be exported.")


def _licence(image: ImageFacts, profile: ProviderProfile) -> Iterable[str]:
    options = image.properties.get(profile.licence_property, "0") or "0"
    if options != "0":
        yield (
            f"{image.title} may not leave the cloud by its licence"
            f" ({profile.licence_property} is '{printable(options)}', not 0)."
        )
    elif system := _system(image.properties, profile.licensed_systems):
        yield f"{image.title} is a {system} image, whose licence does not allow an export."


def _asymmetry(image: ImageFacts, profile: ProviderProfile) -> Iterable[str]:
    if disk := _excess(image, profile):
        yield (
            f"{image.title} can be exported but not imported again: its disk has"
            f" {format_size(disk)}, and an import takes {format_size(profile.max_virtual_size)}"
            " at most."
        )


def judge_disk_size(image: ImageFacts, region: str, profile: ProviderProfile) -> Verdict:
    """Say whether the disk of an image is too large to be imported in `region`."""
    if disk := _excess(image, profile):
        return Verdict.refuse(
            f"{image.title} has a disk of {format_size(disk)}, and region '{region}' imports"
            f" {format_size(profile.max_virtual_size)} at most."
        )
    return Verdict()


def _excess(image: ImageFacts, profile: ProviderProfile) -> int:
    """Return the bytes of a disk that is over the limit, or else 0."""
    disk = max(image.virtual_size or 0, image.min_disk * GIB)
    return disk if disk > profile.max_virtual_size else 0


def judge_container_name(name: str, forbidden: str = "/") -> Verdict:
    """Say what is wrong with a container's name.

    :param forbidden: characters that it may not have: Swift's own, or those of the service too.
    """
    bad = sorted({c for c in name if c in forbidden})
    if not 0 < len(name.encode()) <= 256:
        return Verdict.refuse(
            f"A container's name has 1 to 256 bytes, and '{printable(name)}' has"
            f" {len(name.encode())}; choose another with --container."
        )
    if bad:
        return Verdict.refuse(
            f"The service takes no container name with {' or '.join(map(repr, bad))}, such as"
            f" '{printable(name)}'; choose another with --container."
        )
    return Verdict()


def judge_import(name: str, settings: ImageSettings, profile: ProviderProfile) -> Verdict:
    """Say what stands in the way of an image with this name and these settings."""
    properties, min_disk = settings.properties, settings.min_disk
    refusals: list[str | Message] = []
    if not name.strip():
        refusals.append("An imported image needs a name; give one with --name.")
    elif len(name) > 255:
        refusals.append(f"An image's name has 255 characters at most; this one has {len(name)}.")
    if system := _system(properties, profile.immovable_systems):
        refusals.append(
            f"A {system} image cannot be imported: its licence does not move to this cloud."
        )
    if min_disk is not None and min_disk * GIB > profile.max_virtual_size:
        refusals.append(
            f"No server can have the disk that --min-disk {min_disk} asks for:"
            f" {format_size(profile.max_virtual_size)} is the limit."
        )
    refusals += [
        f"Only the provider may set the property '{printable(key)}'; leave it out."
        for key in properties
        if profile.protected_prefix and key.startswith(profile.protected_prefix)
    ]
    refusals += [
        f"A tag has 1 to {_LONGEST_TAG} characters; the tag '{printable(tag, 40)}' has {len(tag)}."
        for tag in settings.tags
        if not 0 < len(tag) <= _LONGEST_TAG
    ]
    refusals += [
        f"'{key}' is not a property but an attribute of every image; use an option such as --name,"
        " --tag, --min-disk, --min-ram, --public or --private, or leave it out."
        for key in sorted(ATTRIBUTES & properties.keys())
    ]
    return Verdict(tuple(refusals))


def judge_vhd(report: Report) -> Verdict:
    """Turn what a check of the VHD found into sentences about its file."""
    return Verdict(
        tuple(_message(report, finding) for finding in report.errors),
        tuple(_message(report, finding) for finding in report.warnings),
    )


def _message(report: Report, finding: Finding) -> Message:
    error = f"error {finding.code}: " if finding.code else ""
    return Message(f"'{report.name}': {error}{finding.detail}", finding.hint, finding.values)


def _system(properties: Mapping[str, str], systems: frozenset[str]) -> str | None:
    """Return the operating system by which the image is in `systems`, if it is."""
    for key in ("os_distro", "os_type"):
        value = str(properties.get(key) or "").lower()
        if value in systems:
            return printable(value)
    return None
