# SPDX-License-Identifier: Apache-2.0
"""What the refusals of requests for image data mean to the user."""

import dataclasses
import functools
from collections.abc import Mapping

from rackspace_imagetasks.exceptions import AccessDenied, NotFound, QuotaExceeded, ServiceError
from rackspace_imagetasks.http.words import Meaning, ServiceWords

_DELETED = Meaning(NotFound, "the image was deleted in the meantime")
_UPLOAD = {
    404: _DELETED,
    409: Meaning(
        functools.partial(ServiceError, status=409),
        "the image already has data, or another upload or import of it is running",
    ),
    410: _DELETED,
    413: Meaning(
        QuotaExceeded,
        "the image storage or your quota is full: delete images or ask for a higher quota",
    ),
    415: Meaning(
        functools.partial(ServiceError, status=415),
        "the service inspected the data and does not accept it in this disk format",
    ),
}
_DOWNLOAD = {
    403: Meaning(AccessDenied, "the image is deactivated, or your role does not allow downloads"),
    404: Meaning(NotFound, "the image was deleted, or is no longer shared with your project"),
    410: _DELETED,
    413: Meaning(
        functools.partial(ServiceError, status=413), "this cloud does not return image data"
    ),
}


def upload_words(words: ServiceWords) -> ServiceWords:
    """Return the words for requests that give an image its data."""
    return _with(words, _UPLOAD)


def download_words(words: ServiceWords) -> ServiceWords:
    """Return the words for requests that read the data of an image."""
    return _with(words, _DOWNLOAD)


def _with(words: ServiceWords, meanings: Mapping[int, Meaning]) -> ServiceWords:
    return dataclasses.replace(words, meanings={**words.meanings, **meanings})
