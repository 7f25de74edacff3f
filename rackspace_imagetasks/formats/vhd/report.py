# SPDX-License-Identifier: Apache-2.0
"""What a check says of a VHD: facts, and findings with the service's failure codes.

The codes are those of "Supported image import failure codes" in the service's documentation.
"""

import dataclasses
import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from rackspace_imagetasks.formats.vhd.geometry import Geometry

INVALID: Final = 111  # the VHD failed validation in an unspecified way
NOT_A_VHD: Final = 396
VIRTUAL_SIZE: Final = 413
UNSUPPORTED_TYPE: Final = 523
PHYSICAL_SIZE: Final = 609
NO_UUID: Final = 614
HAS_PARENT: Final = 721

# The order in which the service looks: the first that is wrong gives the task's code.
SERVICE_ORDER = (
    PHYSICAL_SIZE,
    NOT_A_VHD,
    HAS_PARENT,
    UNSUPPORTED_TYPE,
    NO_UUID,
    VIRTUAL_SIZE,
    INVALID,
)

_COMMAND = "'openstack image vhd convert'"
CONVERT = f"{_COMMAND} writes a disk that grows."
LEAVE_ZEROS_OUT = f"{_COMMAND} leaves out the blocks that are all zero."
REPAIR = f"{_COMMAND} repairs the file by it."
GET_AGAIN = "Get the file again, or take it from its source."


class Severity(enum.Enum):
    """Whether the service would refuse the file, or takes it with a consequence."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    :ivar code: the service's failure code; None for a warning.
    :ivar check: a short stable name, such as `bat-entry-past-end`.
    :ivar detail: a sentence that says what is wrong, with the values.
    :ivar where: the place, such as `footer offset 64` or `BAT entry 17`.
    :ivar remedy: a sentence that says what to do; empty where there is nothing.
    :ivar doubtful: whether nobody can be sure any more what the disk holds.
    """

    severity: Severity
    code: int | None
    check: str
    detail: str
    where: str
    remedy: str = ""
    doubtful: bool = False

    def without_conversion(self) -> "Finding":
        """Return it without the advice to convert what cannot be read."""
        return dataclasses.replace(self, remedy="") if _COMMAND in self.remedy else self


def broken(
    check: str, detail: str, where: str, remedy: str = "", *, code: int = INVALID
) -> Finding:
    """Make a finding for which the service refuses the file, and which leaves its disk in doubt."""
    return Finding(Severity.ERROR, code, check, detail, where, remedy, doubtful=True)


def flaw(
    check: str, detail: str, where: str, remedy: str = CONVERT, *, code: int = INVALID
) -> Finding:
    """Make a finding for which the service refuses the file, though its disk can be read."""
    return Finding(Severity.ERROR, code, check, detail, where, remedy)


def warning(check: str, detail: str, where: str, remedy: str = "") -> Finding:
    """Make a finding with which the service takes the file."""
    return Finding(Severity.WARNING, None, check, detail, where, remedy)


@dataclass(frozen=True, kw_only=True)
class VhdFacts:
    """What a VHD says of itself.

    :ivar kind: `fixed`, `dynamic`, `differencing`, or `type 5` and the like.
    :ivar virtual_size: the disk's bytes: the footer's "current size", whatever its geometry says.
    :ivar physical_size: the file's bytes.
    :ivar creator: the program that wrote it, made printable.
    :ivar block_size: in bytes; None, like the two counts, where there are no readable blocks.
    :ivar grows: whether XenServer enlarges the disk to the size of a flavor's.
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
    """All that a check found in one pass.

    :ivar facts: None where there is no valid footer.
    :ivar findings: errors in the order of the service's checks, then warnings.
    :ivar unread: what was not looked at, such as `sector bitmaps`.
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
        """The findings with which the service takes the file."""
        return tuple(found for found in self.findings if found.severity is Severity.WARNING)

    @property
    def doubts(self) -> tuple[Finding, ...]:
        """The errors that leave in doubt what the disk holds; without any, it can be converted."""
        return tuple(found for found in self.findings if found.doubtful)

    @property
    def code(self) -> int | None:
        """The code that the service's task would fail with; None where it would not."""
        return self.errors[0].code if self.errors else None


def service_rank(finding: Finding) -> int:
    """Return a finding's place in the order of the service's checks; warnings come last."""
    return len(SERVICE_ORDER) if finding.code is None else SERVICE_ORDER.index(finding.code)
