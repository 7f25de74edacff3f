# SPDX-License-Identifier: Apache-2.0
"""What a provider allows, as data: another provider is another `ProviderProfile`.

The values of `RACKSPACE` come from Rackspace's Cloud Images documentation (developer guide, FAQ
and how-to articles). A cloud's entry in clouds.yaml can override some of them:

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
from rackspace_imagetasks.messages import Hint
from rackspace_imagetasks.text import MisspelledSize, parse_size
from rackspace_imagetasks.units import GIB, MIB

DAY = 24 * 60 * 60
_UNLIMITED = 2**63 - 1  # bytes
_LONGEST = 1e9  # seconds


class Failure(NamedTuple):
    """What a failure code of a task means, as a clause, and what the user can do about it."""

    meaning: str
    hint: Hint


_RACKSPACE_FAILURES = {
    111: Failure("the VHD did not pass the service's validation", Hint.VALIDATE_OR_CONVERT_VHD),
    396: Failure("the object is not a valid VHD", Hint.CONVERT_TO_VHD),
    413: Failure("the disk's virtual size exceeds the limit", Hint.SHRINK_DISK),
    523: Failure("the VHD is neither fixed nor dynamic", Hint.WRITE_FIXED_OR_DYNAMIC_VHD),
    609: Failure("the file exceeds the size limit", Hint.LEAVE_ZEROS_OUT),
    614: Failure("the VHD's UUID is all zeros", Hint.CONVERT_TO_VHD),
    721: Failure(
        "the VHD has a parent disk, and only stand-alone VHDs can be imported",
        Hint.MERGE_PARENT,
    ),
}

_RACKSPACE_FAILURE_TEXTS = {
    "Image not found for import": Failure(
        "the service found no object at the given location", Hint.CHECK_OBJECT
    ),
    "Swift already has an object": Failure(
        "the container already has an object with that name", Hint.MOVE_EXISTING_OBJECT
    ),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProviderProfile:
    """The rules, limits and names of one provider. Sizes are in bytes, times in seconds."""

    name: str
    max_virtual_size: int
    max_physical_size: int
    """Limits of an imported disk: of the disk itself, and of its VHD file."""
    poll_interval: float
    """Time between two requests for the status of tasks, at least."""
    import_container: str = "image-imports"
    export_container: str = "image-exports"
    container_name_forbids: str = "/?."
    """Characters that the name of a container for exports cannot contain."""
    segment_size: int = 128 * MIB
    """The smallest segment size of a large object."""
    staging_lifetime: int = 7 * DAY
    """Staged objects expire after this time; an import task can wait in a queue for days."""
    web_download_above: int = GIB
    """Files from this size on are staged for the Image service, not streamed to it.

    A stream that breaks starts again. 1 GiB takes 10 to 90 seconds at 1000 to 100 Mbit/s, which is
    little to lose, and not much more than staging costs; above it, the loss grows with the size.
    """
    web_download_timeout: float = 4 * 60 * 60
    """Time that the Image service has to download a staged file: 40 GiB at 3 MiB/s."""
    licence_property: str = ""
    """Image property that must be absent or `0` for an export."""
    licensed_systems: frozenset[str] = frozenset()
    """Values of os_distro and os_type that cannot be exported."""
    immovable_systems: frozenset[str] = frozenset()
    """Values of os_distro and os_type that cannot be imported."""
    protected_prefix: str = ""
    """Prefix of image properties that only the provider can set."""
    failures: Mapping[int, Failure] = dataclasses.field(default_factory=dict)
    """What the codes of failed tasks mean."""
    failure_texts: Mapping[str, Failure] = dataclasses.field(default_factory=dict)
    """What failures without a code mean, by a part of their message."""
    boot_profiles: Mapping[str, Mapping[str, str]] = dataclasses.field(
        default_factory=lambda: {"none": {}}
    )
    """Named sets of properties that an image from another platform needs to boot."""
    uses_tasks: bool = True
    """Whether images arrive and leave by tasks and the object store, or else as image data."""
    without_tasks: "ProviderProfile | None" = None
    """The profile of the cloud if it turns out to have no tasks; None if its kind is declared."""
    disk_format: str = "vhd"
    """The format in which images arrive."""
    hypervisor: str = "xen"
    """`xen` or `kvm`: what the images are made for."""
    hypervisor_properties: tuple[str, ...] = ()
    """Patterns of the properties that have a meaning for this hypervisor alone."""
    arrival_properties: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What an image from another hypervisor needs, unless it says otherwise itself."""

    def overridden(self, settings: Mapping[str, Any], where: str) -> Self:
        """Return this profile with some values replaced by `settings` from clouds.yaml.

        :param where: where the settings come from, such as "clouds.yaml, cloud 'dfw'".
        :raises Refused: with every setting that is unknown or has an invalid value.
        """
        reasons: list[str] = []
        values: dict[str, Any] = {}
        for key, value in settings.items():
            try:
                values[key] = _PARSERS[key](value)
            except KeyError:
                reasons.append(
                    f"{where}: unknown image_tasks setting '{key}'. Available settings:"
                    f" {', '.join(sorted(_PARSERS))}."
                )
            except MisspelledSize as error:
                reasons.append(
                    f"{where}: image_tasks.{key} is '{value}', but must be spelled"
                    f" '{error.spelling}'."
                )
            except (TypeError, ValueError):
                reasons.append(
                    f"{where}: image_tasks.{key} is '{value}', but must be"
                    f" {_EXPECTED[_PARSERS[key]]}."
                )
        if reasons:
            raise Refused(*reasons)
        other = self.without_tasks
        return dataclasses.replace(
            self, **values, without_tasks=dataclasses.replace(other, **values) if other else None
        )

    def boot_properties(self, boot_profile: str) -> dict[str, str]:
        """Return the image properties of a boot profile.

        :raises Refused: if the provider has no boot profile with that name.
        """
        if boot_profile not in self.boot_profiles:
            raise Refused(
                f"Unknown boot profile '{boot_profile}'. Available boot profiles:"
                f" {', '.join(sorted(self.boot_profiles))}."
            )
        return dict(self.boot_profiles[boot_profile])


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
    "web_download_above": _size,
    "web_download_timeout": _seconds,
    "import_container": _container,
    "export_container": _container,
}
_EXPECTED = {
    _size: "a size such as 40 GiB",
    _seconds: "a number of seconds greater than 0",
    _whole_seconds: "a number of seconds greater than 0",
    _container: "a container name without '/'",
}

_HVM = {
    "vm_mode": "hvm",
    "img_config_drive": "mandatory",
    "xenapi_use_agent": "False",
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
        "hvm": _HVM,
    },
    hypervisor_properties=(
        "com.rackspace__1__*", "org.openstack__1__*", "xenapi_*", "auto_disk_config",
        "base_image_ref", "flavor_classes", "hypervisor_type", "hypervisor_version_requires",
        "image_type", "instance_uuid", "rax_activation_profile", "user_id", "vm_mode",
    ),
    arrival_properties=_HVM,
)  # fmt: skip

GLANCE = ProviderProfile(
    name="glance",
    max_virtual_size=_UNLIMITED,
    max_physical_size=_UNLIMITED,
    poll_interval=2,
    uses_tasks=False,
    disk_format="qcow2",
    hypervisor="kvm",
    hypervisor_properties=(
        "hw_*", "hypervisor_type", "hypervisor_version_requires", "os_require_quiesce",
    ),
    arrival_properties={
        "architecture": "x86_64",
        "hw_disk_bus": "virtio",
        "hw_vif_model": "virtio",
    },
)  # fmt: skip

# Public documentation of Rackspace OpenStack Flex (genestack), and images seen there.
FLEX = dataclasses.replace(
    GLANCE,
    name="flex",
    arrival_properties={**GLANCE.arrival_properties, "hw_machine_type": "q35"},
)

PROFILES: Mapping[str, ProviderProfile] = {
    profile.name: profile for profile in (RACKSPACE, GLANCE, FLEX)
}
_UNDECLARED = dataclasses.replace(RACKSPACE, without_tasks=GLANCE)


def profile_of(
    settings: Mapping[str, Any] | None, cloud_name: str | None, *, uses_tasks: bool = False
) -> ProviderProfile:
    """Return the profile that a cloud's `image_tasks` settings describe.

    If they name none, a cloud that is said to use tasks has Rackspace's. For any other cloud the
    result has the profile to use if there are no tasks.

    :param uses_tasks: openstacksdk's `image_api_use_tasks` of the cloud.
    :raises Refused: if the settings name an unknown profile or have an invalid value.
    """
    where = f"clouds.yaml, cloud '{cloud_name or ''}'"
    if not isinstance(settings or {}, Mapping):
        raise Refused(f"{where}: image_tasks must be a mapping of settings.")
    settings = dict(settings or {})
    name = settings.pop("profile", None)
    if name is None:
        return (RACKSPACE if uses_tasks else _UNDECLARED).overridden(settings, where)
    if name not in PROFILES:
        raise Refused(
            f"{where}: unknown image_tasks.profile '{name}'. Available profiles:"
            f" {', '.join(sorted(PROFILES))}."
        )
    return PROFILES[name].overridden(settings, where)
