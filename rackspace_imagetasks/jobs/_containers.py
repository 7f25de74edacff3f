# SPDX-License-Identifier: Apache-2.0
"""Whether the container of a job exists, or can be created."""

from rackspace_imagetasks import policy
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.policy import Verdict


def judge_container(
    cloud: Cloud,
    name: str,
    *,
    may_create: bool,
    forbidden: str = "/",
    hint: Hint | None = Hint.CREATE_CONTAINER,
) -> tuple[bool, Verdict]:
    """Return whether the container exists, and the reasons why it cannot be used.

    :param may_create: whether a container that does not exist will be created.
    :param forbidden: characters that its name cannot contain.
    :param hint: what to do if it does not exist and will not be created.
    """
    verdict = policy.judge_container_name(name, forbidden)
    if verdict.refusals:
        return False, verdict
    exists = cloud.objects.head_container(name) is not None
    if not exists and not may_create:
        text = f"Container '{name}' not found in region '{cloud.region}'."
        verdict += Verdict.refuse(Message(text, hint))
    return exists, verdict
