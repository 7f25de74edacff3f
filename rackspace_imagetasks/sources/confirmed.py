# SPDX-License-Identifier: Apache-2.0
"""Findings that another read confirms: a byte that was altered on its way is not damage.

Ranges of an object have no checksum, so a check that finds something wrong is repeated with bytes
that are read again.
"""

from collections.abc import Callable
from typing import TypeVar

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.messages import Hint, Message

Result = TypeVar("Result")


def confirmed(
    source: ByteSource, check: Callable[[ByteSource], Result], is_good: Callable[[Result], bool]
) -> Result:
    """Return the result of a check of a source; one that is not good only if it occurs twice.

    :param check: reads the source anew each time; its results can be compared.
    :raises SourceError: if three checks have three different results.
    """
    first = check(source)
    if is_good(first):
        return first
    second = check(source)
    if second == first:
        return second
    third = check(source)
    if third in (first, second):
        return third
    text = f"The data of '{source.name}' changes between reads, so it cannot be checked."
    raise SourceError(Message(text, Hint.TRY_AGAIN))


def check_vhd(
    source: ByteSource, *, max_virtual_size: int | None = None, max_physical_size: int | None = None
) -> vhd.Report:
    """Validate a VHD, with errors that another read confirms.

    :raises SourceError: if the source cannot be read, or changes between reads.
    """

    def check(content: ByteSource) -> vhd.Report:
        return vhd.check(
            content, max_virtual_size=max_virtual_size, max_physical_size=max_physical_size
        )

    return confirmed(source, check, lambda report: not report.errors)
