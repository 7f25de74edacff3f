# SPDX-License-Identifier: Apache-2.0
"""Explain the refusals of the image service to the user."""

import dataclasses

from rackspace_imagetasks.exceptions import AccessDenied, QuotaExceeded
from rackspace_imagetasks.http.words import Meaning, ServiceWords

_LIMIT = Meaning(QuotaExceeded, "a limit of the image service is reached")
_TASK_LIMIT = Meaning(
    QuotaExceeded,
    "the cloud's limit is reached: wait for running tasks to end, or ask for a higher limit",
)
_TASK_ROLE = Meaning(
    AccessDenied,
    "image tasks require the project's admin role (identity:user-admin, admin or"
    " cloudImages:admin)",
)


def image_words(region: str, cloud: str = "") -> ServiceWords:
    """Return the words of the image service in a region of a cloud."""
    return ServiceWords("image service", region, cloud, meanings={413: _LIMIT})


def task_words(words: ServiceWords) -> ServiceWords:
    """Return the words for requests about tasks, which require a role and have a limit."""
    meanings = {**words.meanings, 403: _TASK_ROLE, 413: _TASK_LIMIT}
    return dataclasses.replace(words, meanings=meanings)
