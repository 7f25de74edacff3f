# SPDX-License-Identifier: Apache-2.0
"""The result of checking a VHD: facts, and findings with the service's failure codes.

The codes are those of "Supported image import failure codes" in the service's documentation.
"""

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from rackspace_imagetasks.formats.vhd._geometry import Geometry
from rackspace_imagetasks.messages import Hint, Message

INVALID: Final = 111  # the VHD failed validation in an unspecified way
NOT_A_VHD: Final = 396
VIRTUAL_SIZE: Final = 413
UNSUPPORTED_TYPE: Final = 523
PHYSICAL_SIZE: Final = 609
NO_UUID: Final = 614
HAS_PARENT: Final = 721

# The order of the service's checks: the first that fails determines the task's code.
SERVICE_ORDER = (
    PHYSICAL_SIZE,
    NOT_A_VHD,
    HAS_PARENT,
    UNSUPPORTED_TYPE,
    NO_UUID,
    VIRTUAL_SIZE,
    INVALID,
)

# Hints that a conversion helps, which it does not if the disk is uncertain or too large.
_CONVERSIONS = {Hint.CONVERT_VHD, Hint.CONVERT_TO_VHD, Hint.LEAVE_ZEROS_OUT, Hint.REPAIR_VHD}


# Errors that only XenServer's own tools find; nothing about the disk is lost or in question.
_RELAID = {
    "creator-version",
    "data-offset",
    "future-timestamp",
    "geometry-beyond-size",
    "header-data-offset",
}


class Severity(enum.Enum):
    """Whether the service refuses the file, or accepts it with a consequence."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One problem of a VHD.

    :ivar code: the service's failure code; None for a warning.
    :ivar check: a short stable name, such as `bat-entry-past-end`.
    :ivar detail: a sentence that says what is wrong, with the values; it may quote the file.
    :ivar where: the place, such as `footer offset 64` or `BAT entry 17`.
    :ivar hint: what to do, if anything.
    :ivar values: the values of the hint's wording.
    :ivar doubtful: whether the disk's content is uncertain.
    """

    severity: Severity
    code: int | None
    check: str
    detail: str
    where: str
    hint: Hint | None = None
    values: Mapping[str, object] = dataclasses.field(default_factory=dict)
    doubtful: bool = False

    @property
    def message(self) -> Message:
        """The detail with its hint."""
        return Message(self.detail, self.hint, self.values)

    def message_about(self, name: str) -> Message:
        """Return the message for a file of that name."""
        return Message(f"'{name}': {self.detail}", self.hint, self.values)

    def without_conversion(self) -> "Finding":
        """Return the finding without a hint to convert the file."""
        return dataclasses.replace(self, hint=None) if self.hint in _CONVERSIONS else self


def broken(
    check: str,
    detail: str,
    where: str,
    hint: Hint | None = None,
    *,
    code: int = INVALID,
) -> Finding:
    """Return an error that leaves the disk's content uncertain."""
    return Finding(Severity.ERROR, code, check, detail, where, hint, doubtful=True)


def flaw(
    check: str,
    detail: str,
    where: str,
    hint: Hint | None = Hint.CONVERT_VHD,
    *,
    code: int = INVALID,
    values: Mapping[str, object] = MappingProxyType({}),
) -> Finding:
    """Return an error of a file whose disk can still be read."""
    return Finding(Severity.ERROR, code, check, detail, where, hint, values)


def warning(check: str, detail: str, where: str, hint: Hint | None = None) -> Finding:
    """Return a finding with which the service accepts the file."""
    return Finding(Severity.WARNING, None, check, detail, where, hint)


@dataclass(frozen=True, kw_only=True)
class VhdFacts:
    """The properties of a VHD.

    :ivar kind: `fixed`, `dynamic`, `differencing`, or a number such as `type 5`.
    :ivar virtual_size: the disk's size in bytes: the footer's "current size", not its geometry.
    :ivar physical_size: the file's size in bytes.
    :ivar creator: the program that wrote it; untrusted.
    :ivar block_size: in bytes; None, like the two counts, if there are no readable blocks.
    :ivar grows: whether XenServer can resize the disk to the size of a flavor's.
    :ivar grows_reason: why, or why not, in a sentence.
    """

    kind: str
    virtual_size: int
    physical_size: int
    creator: str
    creator_version: str
    uuid: UUID
    geometry: Geometry
    timestamp: datetime
    block_size: int | None = None
    blocks_total: int | None = None
    blocks_allocated: int | None = None
    grows: bool
    grows_reason: str


@dataclass(frozen=True)
class Report:
    """Everything that a check found.

    :ivar name: the file's name; untrusted.
    :ivar facts: None if there is no valid footer.
    :ivar findings: errors in the order of the service's checks, then warnings.
    :ivar unread: the parts that were not checked, such as `sector bitmaps`.
    """

    name: str
    facts: VhdFacts | None
    findings: tuple[Finding, ...]
    unread: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings for which the service refuses the file."""
        return tuple(found for found in self.findings if found.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings with which the service accepts the file."""
        return tuple(found for found in self.findings if found.severity is Severity.WARNING)

    @property
    def relaid(self) -> bool:
        """Whether it has errors, and a new layout of the same disk corrects all of them."""
        return bool(self.errors) and all(
            found.check in _RELAID and not found.doubtful for found in self.errors
        )

    @property
    def doubts(self) -> tuple[Finding, ...]:
        """The errors that leave the disk's content uncertain; without any, it can be converted."""
        return tuple(found for found in self.findings if found.doubtful)

    @property
    def code(self) -> int | None:
        """The failure code of the service's task; None if it would succeed."""
        return self.errors[0].code if self.errors else None


def service_rank(finding: Finding) -> int:
    """Return a finding's position in the order of the service's checks; warnings come last."""
    return len(SERVICE_ORDER) if finding.code is None else SERVICE_ORDER.index(finding.code)
