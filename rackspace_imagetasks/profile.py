# SPDX-License-Identifier: Apache-2.0
"""What a provider allows, as data: a second provider is one more `ProviderProfile`.

The values of `RACKSPACE` are those of Rackspace's Cloud Images documentation (developer guide,
FAQ and how-to articles). A cloud's entry in clouds.yaml may override any setting:

    clouds:
      dfw:
        image_tasks:
          max_virtual_size: 160 GiB
          poll_interval: 10
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.text import parse_size, printable
from rackspace_imagetasks.units import GIB, MIB

DAY = 24 * 60 * 60
_LONGEST = 1e9  # seconds


class Failure(NamedTuple):
    """What a failure code of a task means, and what the user can do about it."""

    meaning: str
    remedy: str


_CONVERT = "write a stand-alone VHD with `openstack image vhd convert`"

_RACKSPACE_FAILURES = {
    111: Failure(
        "the VHD did not pass the service's validation",
        "see what is wrong with `openstack image vhd validate`, or " + _CONVERT,
    ),
    396: Failure("the object is not a valid VHD", _CONVERT),
    413: Failure(
        "the disk's virtual size is over the limit", "shrink the disk, then convert it again"
    ),
    523: Failure(
        "the VHD is neither fixed nor dynamic",
        "let the program that made it write a fixed or dynamic disk",
    ),
    609: Failure(
        "the file is over the size limit",
        "leave zero blocks out with `openstack image vhd convert`",
    ),
    614: Failure("the VHD's UUID is all zeros", _CONVERT),
    721: Failure(
        "the VHD has a parent disk; only stand-alone ones can be imported",
        "merge it with its parent and import the merged disk",
    ),
}

_RACKSPACE_FAILURE_TEXTS = {
    "Image not found for import": Failure(
        "the service found no object where the task said",
        "see that the container and the object exist in this region",
    ),
    "Swift already has an object": Failure(
        "the container holds an object of that name already",
        "save or delete that one, or name another container",
    ),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProviderProfile:
    """One provider's rules, limits, names and pace. Sizes in bytes, times in seconds."""

    name: str
    max_virtual_size: int
    max_physical_size: int
    """Limits of an imported disk, as the disk itself and as the VHD file."""
    poll_interval: float
    """Tasks are asked for no more often than this."""
    import_container: str = "image-imports"
    export_container: str = "image-exports"
    container_name_forbids: str = "/?."
    """Characters that a container for exports may not have in its name."""
    segment_size: int = 128 * MIB
    """The smallest segment of a large object."""
    staging_lifetime: int = 7 * DAY
    """Staged objects expire by themselves after this; an import may queue for long."""
    licence_property: str = ""
    """Image property that must be absent or `0` for an export."""
    licensed_systems: frozenset[str] = frozenset()
    """Values of os_distro and os_type that cannot be exported."""
    immovable_systems: frozenset[str] = frozenset()
    """Values of os_distro and os_type that cannot be imported."""
    protected_prefix: str = ""
    """Image properties that only the provider may set begin with this."""
    failures: Mapping[int, Failure] = dataclasses.field(default_factory=dict)
    """What the codes of failed tasks mean."""
    failure_texts: Mapping[str, Failure] = dataclasses.field(default_factory=dict)
    """What failures without a code mean, by a part of their text."""
    boot_profiles: Mapping[str, Mapping[str, str]] = dataclasses.field(
        default_factory=lambda: {"none": {}}
    )
    """Named sets of image properties that an image from elsewhere needs to boot."""

    def overridden(self, settings: Mapping[str, Any], where: str) -> Self:
        """Return this profile with `settings`, as clouds.yaml has them, in place of its own.

        :param where: what to name in messages, such as "clouds.yaml, cloud 'dfw'".
        :raises Refused: naming every setting that is unknown or has a wrong value.
        """
        reasons: list[str] = []
        values: dict[str, Any] = {}
        for key, value in settings.items():
            try:
                values[key] = _PARSERS[key](value)
            except KeyError:
                reasons.append(
                    f"{where}: image_tasks has no setting '{printable(key)}'; it knows"
                    f" {', '.join(sorted(_PARSERS))}."
                )
            except (TypeError, ValueError):
                reasons.append(
                    f"{where}: image_tasks.{key} cannot be '{printable(value)}'; give"
                    f" {_EXPECTED[_PARSERS[key]]}."
                )
        if reasons:
            raise Refused(*reasons)
        return dataclasses.replace(self, **values)


def _size(value: object) -> int:
    size = parse_size(value) if isinstance(value, str) else value
    if not isinstance(size, int) or isinstance(size, bool) or size <= 0:
        raise ValueError(value)
    return size


def _seconds(value: object) -> float:
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        raise TypeError(value)
    seconds = float(value)
    if not 0 < seconds < _LONGEST:
        raise ValueError(value)
    return seconds


def _whole_seconds(value: object) -> int:
    return max(1, int(_seconds(value)))


def _container(value: object) -> str:
    if not isinstance(value, str) or not value or "/" in value:
        raise ValueError(value)
    return value


_PARSERS = {
    "max_virtual_size": _size,
    "max_physical_size": _size,
    "segment_size": _size,
    "poll_interval": _seconds,
    "staging_lifetime": _whole_seconds,
    "import_container": _container,
    "export_container": _container,
}
_EXPECTED = {
    _size: "a size such as 40 GiB",
    _seconds: "a number of seconds over 0",
    _whole_seconds: "a number of seconds over 0",
    _container: "a container's name without '/'",
}

RACKSPACE = ProviderProfile(
    name="rackspace",
    # The system disk of the largest Performance flavor is "40 GB"; such a disk has 40 GiB.
    max_virtual_size=40 * GIB,
    max_physical_size=40 * GIB,
    poll_interval=30,
    licence_property="com.rackspace__1__options",
    licensed_systems=frozenset({"windows", "rhel", "redhat"}),
    immovable_systems=frozenset({"windows"}),
    protected_prefix="com.rackspace__",
    failures=_RACKSPACE_FAILURES,
    failure_texts=_RACKSPACE_FAILURE_TEXTS,
    boot_profiles={
        "none": {},
        "hvm": {
            "vm_mode": "hvm",
            "img_config_drive": "mandatory",
            "xenapi_use_agent": "False",
        },
    },
)

PROFILES: Mapping[str, ProviderProfile] = {RACKSPACE.name: RACKSPACE}


def profile_of(settings: Mapping[str, Any] | None, cloud_name: str | None) -> ProviderProfile:
    """Return the profile that a cloud's `image_tasks` settings ask for; Rackspace's by default.

    :raises Refused: when the settings name no known profile or hold a wrong value.
    """
    where = f"clouds.yaml, cloud '{printable(cloud_name or '')}'"
    if not isinstance(settings or {}, Mapping):
        raise Refused(f"{where}: image_tasks must be a mapping of settings.")
    settings = dict(settings or {})
    name = settings.pop("profile", RACKSPACE.name)
    if name not in PROFILES:
        raise Refused(
            f"{where}: image_tasks.profile '{printable(name)}' is not known; it can be"
            f" {', '.join(sorted(PROFILES))}."
        )
    return PROFILES[name].overridden(settings, where)
