# SPDX-License-Identifier: Apache-2.0
"""What a check of the facts about a disk returns."""

from collections.abc import Iterator
from typing import NamedTuple

from rackspace_imagetasks.guest.facts import DiskFacts, Place, SystemFacts, SystemKind

WHOLE_DISK = Place("disk")


class Sighting(NamedTuple):
    """One thing that a check has found: a sentence, and where it was seen."""

    text: str
    place: Place


def systems(facts: DiskFacts, *kinds: SystemKind) -> Iterator[SystemFacts]:
    """Yield the systems of some kinds, installed ones that were read for certain."""
    for system in facts.systems:
        if system.kind in kinds and system.is_certain and not system.is_installer:
            yield system
