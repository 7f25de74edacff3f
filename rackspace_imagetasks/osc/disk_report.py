# SPDX-License-Identifier: Apache-2.0
"""The facts about a disk as lines for people that fit 80 columns, and as fields for programs."""

import dataclasses
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from rackspace_imagetasks.guest.facts import DiskFacts, SystemFacts, VolumeFacts
from rackspace_imagetasks.guest.readiness import DiskFinding, Readiness
from rackspace_imagetasks.text import format_size

_WIDTH = 80
_MAX_VOLUMES = 40
_NAME = 13  # characters of the name of a line
_TITLES = ("Volume", "Size", "Used", "Content", "Type")


def field_names() -> tuple[str, ...]:
    """Return the names of the fields."""
    names = (field.name for field in dataclasses.fields(DiskFacts))
    return ("is_ready", "target", "verdict", "findings", *names)


def fields(facts: DiskFacts, readiness: Readiness) -> dict[str, object]:
    """Return everything that is known, by name."""
    return {
        "is_ready": readiness.is_ready,
        "target": readiness.target,
        "verdict": readiness.verdict,
        "findings": [dataclasses.asdict(finding) for finding in readiness.findings],
        **dataclasses.asdict(facts),
    }


def lines(facts: DiskFacts, readiness: Readiness, drawing: Sequence[str]) -> Iterator[str]:
    """Yield the answer, what is on the disk, and what matters for the target."""
    yield readiness.verdict
    yield ""
    yield from _described(_disk(facts))
    for system in facts.systems:
        yield from _described(_system(system))
    if facts.volumes:
        yield ""
        yield from _volumes(facts.volumes)
    if drawing:
        yield ""
        yield from drawing
    for finding in readiness.findings:
        yield ""
        yield from _finding(finding)


def _described(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, text in pairs:
        if text:
            yield from _wrapped(f"{name:<{_NAME}}", text)


def _wrapped(first: str, text: str, indent: int = _NAME) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=" " * indent, break_long_words=True
    )


def _disk(facts: DiskFacts) -> Iterator[tuple[str, str]]:
    table = f"{facts.table} partition table" if facts.table else "no partition table"
    sectors = f", sectors of {facts.sector_size} bytes" if facts.sector_size != 512 else ""
    yield "Disk", f"{format_size(facts.size)}, {table}{sectors}"
    loaders = (
        " ".join(filter(None, (each.kind.value, f"({each.name})" if each.name else "")))
        for each in facts.loaders
    )
    yield "Boot loader", ", ".join(dict.fromkeys(loaders)) or "none"


def _system(system: SystemFacts) -> Iterator[tuple[str, str]]:
    certainty = "" if system.is_certain else " (not certain)"
    architecture = f", {system.architecture}" if system.architecture else ""
    yield "System", f"{system.name or system.kind.value}{architecture}{certainty}"
    yield "", f"in {system.place}"
    if kernel := system.default_kernel:
        yield "Kernel", kernel.version
    yield "Root device", ", ".join(dict.fromkeys(each.device for each in system.roots))
    if found := system.cloud_init:
        names = f" ({', '.join(found.datasources)})" if found.datasources else ""
        yield "cloud-init", f"{found.version or 'unknown version'}{names}"
    yield "Agents", ", ".join(agent.kind.value for agent in system.agents)


def _volumes(volumes: tuple[VolumeFacts, ...]) -> Iterator[str]:
    rows = [_TITLES, *map(_row, volumes[:_MAX_VOLUMES])]
    widths = [min(max(len(row[n]) for row in rows), 30) for n in range(len(_TITLES))]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells)[:_WIDTH].rstrip()
    if len(volumes) > _MAX_VOLUMES:
        yield f"... and {len(volumes) - _MAX_VOLUMES} more"


def _row(volume: VolumeFacts) -> tuple[str, ...]:
    used = "" if volume.used is None else format_size(volume.used)
    content = volume.content or ("unknown" if volume.problem else "")
    return volume.name, format_size(volume.size), used, content, volume.type


def _finding(finding: DiskFinding) -> Iterator[str]:
    place = f"{finding.volume}: {finding.path}" if finding.path else finding.volume
    heading = f"{finding.severity.value.upper()} {finding.check}"
    yield f"{heading} ({place})"[:_WIDTH]
    for text in (finding.text, finding.remedy):
        yield from _wrapped("  ", text, 2)
