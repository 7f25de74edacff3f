# SPDX-License-Identifier: Apache-2.0
"""What of an image is set on its copy in another cloud. Pure."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.settings import ImageSettings
from rackspace_imagetasks.jobs.marks import MARKS
from rackspace_imagetasks.jobs.options import DEFAULT_PROPERTIES, PropertyOptions
from rackspace_imagetasks.profile import ProviderProfile

_GLANCE_PREFIX = "os_glance"  # of properties that Glance lets nobody set


def settable(
    image: ImageFacts,
    source: ProviderProfile,
    target: ProviderProfile,
    options: PropertyOptions = DEFAULT_PROPERTIES,
) -> ImageSettings:
    """Return the settings of the image that can be made at the target."""
    properties = settable_properties(image, source, target, adapt=options.adapt)
    return ImageSettings(
        properties={**properties, **options.chosen},
        tags=image.tags,
        min_disk=image.min_disk or None,
        min_ram=image.min_ram or None,
    )


def settable_properties(
    image: ImageFacts, source: ProviderProfile, target: ProviderProfile, *, adapt: bool = True
) -> dict[str, str]:
    """Return the properties of the image that can be set at the target.

    :param adapt: between hypervisors, leave out what has a meaning for the source's alone, and set
        what the target's needs, unless the image says otherwise itself.
    """
    reserved = [source.protected_prefix, target.protected_prefix, _GLANCE_PREFIX]
    kept = {
        key: value
        for key, value in image.properties.items()
        if not key.startswith(tuple(filter(None, reserved))) and key not in MARKS
    }
    if not adapt or source.hypervisor == target.hypervisor:
        return kept
    return {**target.arrival_properties, **_without(kept, source.hypervisor_properties)}


def _without(properties: dict[str, str], patterns: Iterable[str]) -> dict[str, str]:
    return {
        key: value
        for key, value in properties.items()
        if not any(fnmatchcase(key, pattern) for pattern in patterns)
    }
