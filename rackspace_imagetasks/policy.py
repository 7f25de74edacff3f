# SPDX-License-Identifier: Apache-2.0
"""What a provider would refuse, found before anything is sent. Pure: facts in, verdicts out."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Self

from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.formats.vhd import Finding, Report
from rackspace_imagetasks.glance.facts import ATTRIBUTES, ImageFacts
from rackspace_imagetasks.glance.settings import ImageSettings
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.profile import ProviderProfile
from rackspace_imagetasks.text import format_sizes
from rackspace_imagetasks.units import GIB

_SYSTEM_NAMES = {
    "redhat": "Red Hat Enterprise Linux",
    "rhel": "Red Hat Enterprise Linux",
    "windows": "Windows",
}
_READABLE_FORMATS = ("qcow2", "raw", "vdi", "vhd", "vhdx", "vmdk")
_SEALED = {  # properties of images that must not be changed
    "cinder_encryption_key_id": "encrypted",
    "os_encrypt_format": "encrypted",
    "img_signature": "signed",
}
_MAX_NAME_LENGTH = 255  # characters; Images API v2, "Create image"
_MAX_TAG_LENGTH = 255  # characters; Images API v2, "Image tags"
_MAX_KEY_LENGTH = 255  # characters; this and the next three as Glance is configured by default
_MAX_VALUE_LENGTH = 65535  # bytes; the column in Glance's database
_MAX_PROPERTIES = 128
_MAX_TAGS = 128
_RESERVED_PREFIXES = ("os_glance_", "os_hash_")  # Glance refuses the first and loses the second
_LAST_CHARACTER = "\uffff"  # glance.common.utils.no_4byte_params
_MAX_CONTAINER_NAME_LENGTH = 256  # bytes; Object Store API, "Create container"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a policy decided: reasons to refuse, and warnings about what is allowed."""

    refusals: tuple[Message, ...] = ()
    warnings: tuple[Message, ...] = ()

    def __add__(self, other: "Verdict") -> "Verdict":
        return Verdict(self.refusals + other.refusals, self.warnings + other.warnings)

    @classmethod
    def refuse(cls, *reasons: str | Message) -> Self:
        """Return a verdict that refuses for these reasons."""
        return cls(refusals=tuple(map(Message.of, reasons)))

    def enforce(self) -> None:
        """Raise an error if the verdict refuses.

        :raises Refused: with all reasons.
        """
        if self.refusals:
            raise Refused(*self.refusals)


def judge_export(image: ImageFacts, project_id: str, profile: ProviderProfile) -> Verdict:
    """Judge whether project `project_id` can export `image`."""
    return Verdict(
        refusals=(
            *_ownership(image, project_id),
            *_inactive(image, "exported"),
            *_licence(image, profile),
        ),
        warnings=tuple(_asymmetry(image, profile)),
    )


def judge_image_data(image: ImageFacts, project_id: str) -> Verdict:
    """Judge whether project `project_id` can transfer the data of `image` to another cloud."""
    return Verdict(
        refusals=(
            *_foreign(image, project_id, "transfer"),
            *_inactive(image, "transferred"),
            *_unreadable(image),
        )
    )


def judge_saved_data(image: ImageFacts, *, convert: bool) -> Verdict:
    """Judge whether the data of an image can be saved to a file; any project may that sees it.

    :param convert: whether the file gets another format than the image has.
    """
    return Verdict(refusals=(*_inactive(image, "saved"), *(_unreadable(image) if convert else ())))


def _unreadable(image: ImageFacts) -> Iterable[Message]:
    for kind, value, known in (
        ("container format", image.container_format, ("bare",)),
        ("disk format", image.disk_format, _READABLE_FORMATS),
    ):
        if value not in known:
            yield Message(
                f"{image.title} has the {kind} '{value}'; the disk can be read only from"
                f" {' or '.join(known)}."
            )
    for key, state in _SEALED.items():
        if image.properties.get(key):
            yield Message(
                f"{image.title} is {state} (property '{key}'), so its disk cannot be converted."
            )


def _ownership(image: ImageFacts, project_id: str) -> Iterable[Message]:
    if image.visibility == "public":
        hint = Hint.MAKE_PRIVATE if image.owner == project_id else None
        yield Message(f"{image.title} is public; public images cannot be exported.", hint)
    else:
        yield from _foreign(image, project_id, "export")


def _foreign(image: ImageFacts, project_id: str, use: str) -> Iterable[Message]:
    if image.owner != project_id:
        yield Message(f"{image.title} belongs to another project; only its owner can {use} it.")


def _inactive(image: ImageFacts, used: str) -> Iterable[Message]:
    if image.status != "active":
        yield Message(
            f"{image.title} has status '{image.status}'; only active images can be {used}."
        )


def _licence(image: ImageFacts, profile: ProviderProfile) -> Iterable[Message]:
    options = image.properties.get(profile.licence_property, "0") or "0"
    if options != "0":
        yield Message(
            f"The licence of image '{image.label}' does not allow an export"
            f" ({profile.licence_property} is '{options}', not '0')."
        )
    elif system := _system(image.properties, profile.licensed_systems):
        yield Message(f"{image.title} is a {system} image; its licence does not allow an export.")


def _asymmetry(image: ImageFacts, profile: ProviderProfile) -> Iterable[Message]:
    if disk := _excess(image, profile):
        size, limit = format_sizes(disk, profile.max_virtual_size)
        yield Message(
            f"{image.title} can be exported but not imported again: its disk of {size} exceeds the"
            f" import limit of {limit}."
        )


def judge_disk_size(image: ImageFacts, region: str, profile: ProviderProfile) -> Verdict:
    """Judge whether the disk of an image is small enough to be imported in `region`."""
    if disk := _excess(image, profile):
        size, limit = format_sizes(disk, profile.max_virtual_size)
        return Verdict.refuse(
            f"{image.title} has a disk of {size}, over the import limit of {limit} in region"
            f" '{region}'."
        )
    return Verdict()


def _excess(image: ImageFacts, profile: ProviderProfile) -> int:
    """Return the size in bytes of a disk that is over the limit, or 0."""
    disk = max(image.virtual_size or 0, image.min_disk * GIB)
    return disk if disk > profile.max_virtual_size else 0


def judge_container_name(name: str, forbidden: str = "/") -> Verdict:
    """Judge the name of a container.

    :param forbidden: characters that the name cannot contain.
    """
    length = len(name.encode())
    if not 0 < length <= _MAX_CONTAINER_NAME_LENGTH:
        problem = f"it must have 1 to {_MAX_CONTAINER_NAME_LENGTH} bytes, not {length}"
    elif found := sorted(set(name) & set(forbidden)):
        problem = f"it cannot contain {' or '.join(map(repr, found))}"
    else:
        return Verdict()
    text = f"Container name '{name}' is not valid: {problem}."
    return Verdict.refuse(Message(text, Hint.CHOOSE_CONTAINER))


def judge_import(name: str, settings: ImageSettings, profile: ProviderProfile) -> Verdict:
    """Judge whether an image with this name and these settings can be imported."""
    return Verdict(
        refusals=(
            *_name(name),
            *_immovable(settings.properties, profile),
            *_min_disk(settings.min_disk, profile),
            *_properties(settings.properties, profile),
            *_tags(settings.tags),
            *_characters(name, settings),
        )
    )


def judge_standard(name: str, settings: ImageSettings) -> Verdict:
    """Judge whether a standard Glance accepts an image with this name and these settings.

    Reserved properties are a warning: `storable_properties` leaves them out.
    """
    kept = storable_properties(settings.properties)
    reserved = sorted(settings.properties.keys() - kept.keys() - ATTRIBUTES)
    kept |= {key: value for key, value in settings.properties.items() if key in ATTRIBUTES}
    return Verdict(
        refusals=(
            *_name(name),
            *_property_sizes(kept),
            *_attributes(kept),
            *_tags(settings.tags),
            *_characters(name, settings),
            *_too_many(len(kept), _MAX_PROPERTIES, "properties"),
            *_too_many(len(set(settings.tags)), _MAX_TAGS, "tags"),
        ),
        warnings=(
            *(Message(f"Property '{key}' is reserved and will be left out.") for key in reserved),
            *_publicity(settings.visibility),
        ),
    )


def storable_properties(properties: Mapping[str, str]) -> dict[str, str]:
    """Return the properties of an image that another standard Glance can store."""
    return {
        key: value
        for key, value in properties.items()
        if key not in ATTRIBUTES and not key.startswith(_RESERVED_PREFIXES)
    }


def _property_sizes(properties: Mapping[str, str]) -> Iterable[Message]:
    for key, value in properties.items():
        if not 0 < len(key) <= _MAX_KEY_LENGTH:
            yield Message(
                f"Property names must have 1 to {_MAX_KEY_LENGTH} characters; '{key[:40]}' has"
                f" {len(key)}."
            )
        if (length := len(value.encode())) > _MAX_VALUE_LENGTH:
            yield Message(
                f"Property values can have at most {_MAX_VALUE_LENGTH} bytes; that of"
                f" '{key[:40]}' has {length}."
            )


def _too_many(count: int, limit: int, what: str) -> Iterable[Message]:
    if count > limit:
        yield Message(f"An image can have at most {limit} {what}; this one has {count}.")


def _publicity(visibility: str | None) -> Iterable[Message]:
    if visibility == "public":
        yield Message(
            "Most clouds allow only administrators to make an image public; otherwise the image"
            " remains private."
        )


def _name(name: str) -> Iterable[Message]:
    if not name.strip():
        yield Message("An imported image needs a name.", Hint.NAME_IMAGE)
    elif len(name) > _MAX_NAME_LENGTH:
        yield Message(
            f"Image names can have at most {_MAX_NAME_LENGTH} characters; this one has"
            f" {len(name)}.",
            Hint.NAME_IMAGE,
        )


def _immovable(properties: Mapping[str, str], profile: ProviderProfile) -> Iterable[Message]:
    if system := _system(properties, profile.immovable_systems):
        yield Message(
            f"{system} images cannot be imported: {system} licences cannot be transferred to this"
            " cloud."
        )


def _min_disk(min_disk: int | None, profile: ProviderProfile) -> Iterable[Message]:
    if min_disk is not None and min_disk * GIB > profile.max_virtual_size:
        size, limit = format_sizes(min_disk * GIB, profile.max_virtual_size)
        yield Message(
            f"A minimum disk size of {size} exceeds the largest disk that a server can have,"
            f" {limit}."
        )


def _properties(properties: Mapping[str, str], profile: ProviderProfile) -> Iterable[Message]:
    for key in properties:
        if profile.protected_prefix and key.startswith(profile.protected_prefix):
            yield Message(f"Property '{key}' is reserved for the provider; leave it out.")
    yield from _attributes(properties)


def _attributes(properties: Mapping[str, str]) -> Iterable[Message]:
    for key in sorted(ATTRIBUTES & properties.keys()):
        yield Message(f"'{key}' is an image attribute, not a property.", Hint.SET_ATTRIBUTE)


def _tags(tags: Iterable[str]) -> Iterable[Message]:
    for tag in tags:
        if not 0 < len(tag) <= _MAX_TAG_LENGTH:
            yield Message(
                f"Tags must have 1 to {_MAX_TAG_LENGTH} characters; tag '{tag[:40]}' has"
                f" {len(tag)}."
            )


def _characters(name: str, settings: ImageSettings) -> Iterable[Message]:
    """Refuse what Glance refuses, whatever its database: characters of four bytes in UTF-8."""
    texts: list[tuple[str, str, Hint | None]] = [("Image name", name, Hint.NAME_IMAGE)]
    texts += [("Tag", tag, None) for tag in settings.tags]
    for key, value in settings.properties.items():
        texts += [("Property name", key, None), (f"Property '{key}' with value", value, None)]
    for what, text, hint in texts:
        if wide := next((each for each in text if each > _LAST_CHARACTER), None):
            yield Message(
                f"{what} '{text}' is not valid: the image service cannot store '{wide}'"
                f" (U+{ord(wide):X}) or other characters above U+FFFF, such as emoji.",
                hint,
            )


def judge_vhd(report: Report) -> Verdict:
    """Turn the findings of a VHD check into messages that name the file."""
    return Verdict(
        refusals=tuple(
            _about(report, finding, f"error {finding.code}: ") for finding in report.errors
        ),
        warnings=tuple(_about(report, finding) for finding in report.warnings),
    )


def _about(report: Report, finding: Finding, code: str = "") -> Message:
    return Message(f"'{report.name}': {code}{finding.detail}", finding.hint, finding.values)


def _system(properties: Mapping[str, str], systems: frozenset[str]) -> str | None:
    """Return the name of the operating system in `properties` if it is one of `systems`."""
    values = (str(properties.get(key) or "").lower() for key in ("os_distro", "os_type"))
    found = next((value for value in values if value in systems), None)
    return _SYSTEM_NAMES.get(found, found) if found else None
