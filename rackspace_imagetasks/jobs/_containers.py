# SPDX-License-Identifier: Apache-2.0
"""Whether the container of a job exists, or can be created."""

from rackspace_imagetasks import policy
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects.quotas import NOTHING_KNOWN, Usages
from rackspace_imagetasks.policy import Verdict


def judge_container(
    cloud: Cloud,
    name: str,
    *,
    may_create: bool,
    forbidden: str = "/",
    hint: Hint = Hint.CREATE_CONTAINER,
) -> tuple[Usages, Verdict]:
    """Return what the container holds, if it exists, and the reasons why it cannot be used.

    :param may_create: whether a container that does not exist will be created.
    :param forbidden: characters that its name cannot contain.
    :param hint: what to do if it does not exist and will not be created.
    """
    verdict = policy.judge_container_name(name, forbidden)
    if verdict.refusals:
        return NOTHING_KNOWN, verdict
    usage = cloud.objects.container_usage(name)
    if usage is None and not may_create:
        text = f"Container '{name}' not found in region '{cloud.region}'."
        verdict += Verdict.refuse(Message(text, hint))
    return {name: usage}, verdict
