# SPDX-License-Identifier: Apache-2.0
"""What the error responses of the Object Store mean to the user."""

from rackspace_imagetasks.exceptions import QuotaExceeded
from rackspace_imagetasks.http.words import Meaning, ServiceWords

_FULL = Meaning(
    QuotaExceeded,
    "the account or container is full: delete objects or ask for a higher quota, then run the"
    " command again",
)


def object_words(region: str, cloud: str = "") -> ServiceWords:
    """Return how messages name the object store in a region, and explain its error responses."""
    return ServiceWords(
        "object-store service",
        region,
        cloud,
        meanings={413: _FULL, 507: _FULL},
        refused_upload="The service may have closed the connection because a quota is used up.",
    )
