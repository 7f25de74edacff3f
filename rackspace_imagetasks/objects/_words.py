# SPDX-License-Identifier: Apache-2.0
"""What the refusals of an object store mean to the user."""

from rackspace_imagetasks.exceptions import QuotaExceeded
from rackspace_imagetasks.http.words import Meaning, ServiceWords

_FULL = Meaning(
    QuotaExceeded,
    "the account or container is full: delete objects or ask for a higher quota, then run the"
    " command again",
)


def object_words(region: str) -> ServiceWords:
    """Return the words of the object store in a region."""
    return ServiceWords(
        "object-store service",
        region,
        meanings={413: _FULL, 507: _FULL},
        refused_upload=(
            "The service may have refused the data without waiting for it (a full account)."
        ),
    )
