# SPDX-License-Identifier: Apache-2.0
"""Whether the quotas of a cloud's object store allow what a job writes."""

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.objects.copy import needs_of_copy
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.quotas import (
    NOTHING_KNOWN,
    Usages,
    find_exceeded,
    find_exhausted,
)
from rackspace_imagetasks.objects.upload import needs_of_upload
from rackspace_imagetasks.policy import Verdict


def judge_upload(
    cloud: Cloud,
    source: ByteSource,
    target: ObjectName,
    present_size: int | None,
    known: Usages,
) -> Verdict:
    """Judge whether a file can be uploaded, or the rest of it.

    :param present_size: the size of the object that exists there, or None.
    :param known: what the caller has read of the containers.
    """
    needs = needs_of_upload(cloud.objects, source, target, present_size, cloud.profile.segment_size)
    return Verdict.refuse(*find_exceeded(cloud.objects, needs, cloud.region, known))


def judge_copy(source: Cloud, name: ObjectName, target: Cloud, copy: ObjectName) -> Verdict:
    """Judge whether an object can be copied to another cloud, or the rest of it."""
    needs = needs_of_copy(source.objects, name, target.objects, copy)
    return Verdict.refuse(*find_exceeded(target.objects, needs, target.region))


def judge_unknown_size(cloud: Cloud, *containers: str, known: Usages = NOTHING_KNOWN) -> Verdict:
    """Judge whether anything at all can be written to some containers.

    :param known: what the caller has read of the containers.
    """
    return Verdict.refuse(*find_exhausted(cloud.objects, containers, cloud.region, known))
