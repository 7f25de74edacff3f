# SPDX-License-Identifier: Apache-2.0
"""Whether the quotas of a cloud's object store allow what a job writes."""

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.objects.copy import needs_of_copy
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.quotas import find_exceeded, find_exhausted
from rackspace_imagetasks.objects.upload import needs_of_upload
from rackspace_imagetasks.policy import Verdict


def judge_upload(cloud: Cloud, source: ByteSource, target: ObjectName) -> Verdict:
    """Judge whether a file can be uploaded, or the rest of it."""
    needs = needs_of_upload(cloud.objects, source, target, cloud.profile.segment_size)
    return Verdict.refuse(*find_exceeded(cloud.objects, needs, cloud.region))


def judge_copy(source: Cloud, target: Cloud, name: ObjectName) -> Verdict:
    """Judge whether an object can be copied to another cloud, or the rest of it."""
    needs = needs_of_copy(source.objects, name, target.objects, name)
    return Verdict.refuse(*find_exceeded(target.objects, needs, target.region))


def judge_unknown_size(cloud: Cloud, *containers: str) -> Verdict:
    """Judge whether anything at all can be written to some containers."""
    return Verdict.refuse(*find_exhausted(cloud.objects, containers, cloud.region))
