# SPDX-License-Identifier: Apache-2.0
"""The container that a job works in: whether it is there, and may be made."""

from rackspace_imagetasks import policy
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.policy import Verdict
from rackspace_imagetasks.text import printable

CREATE_HINT = "; add --create-container to make it"


def judge_container(
    cloud: Cloud, name: str, *, forbidden: str = "/", may_create: bool, hint: str = ""
) -> tuple[bool, Verdict]:
    """Return whether the container exists, and what stands in the way of using it.

    :param forbidden: characters that its name may not have.
    :param may_create: whether it is made where it is absent; else that is refused.
    :param hint: ends the sentence that says so.
    """
    verdict = policy.judge_container_name(name, forbidden)
    if verdict.refusals:
        return False, verdict
    exists = cloud.objects.head_container(name) is not None
    if not exists and not may_create:
        verdict += Verdict.refuse(
            f"There is no container '{printable(name)}' in region '{cloud.region}'{hint}."
        )
    return exists, verdict
