# SPDX-License-Identifier: Apache-2.0
"""Check whether the disk in a VHD in the object store is complete."""

from rackspace_imagetasks.exceptions import Refused, VhdError
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.policy import Verdict
from rackspace_imagetasks.sources.completeness import require_complete


def judge_content(file: vhd.VhdFile, *, allow_truncated: bool = False) -> Verdict:
    """Judge the disk in a VHD by its partition table or file system; a few small reads are enough.

    :param allow_truncated: warn of a disk that is shorter than its content, and do not refuse it.
    :returns: a verdict on the disk; none on a VHD that cannot be read.
    :raises SourceError: if the object cannot be read.
    """
    try:
        disk = vhd.open_disk(file)
    except VhdError:
        return Verdict()
    try:
        return Verdict(warnings=require_complete(disk, allow_truncated=allow_truncated))
    except Refused as error:
        return Verdict(refusals=error.messages)
