# SPDX-License-Identifier: Apache-2.0
"""Failures of a connection: which of them are transient, and what caused them."""

import requests
import urllib3
from keystoneauth1 import exceptions as ksa

from rackspace_imagetasks.http.retry import TRANSIENT_STATUSES

#: The exceptions of a connection that breaks or is silent for too long.
BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
#: All exceptions with which a request can end without a response.
NO_RESPONSE = (ksa.ClientException, *BROKEN)
_WRONG_URL = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)
_UNSENT = (
    requests.ConnectTimeout,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
)


class BrokenAnswerError(Exception):
    """The connection broke before the end of a streamed response."""


def is_transient(error: BaseException) -> bool:
    """Return whether a failure is that of a broken or slow connection, and not a lasting one."""
    if isinstance(error, ksa.HttpError):  # from the identity service, for a login
        return error.http_status in TRANSIENT_STATUSES
    if isinstance(error, ksa.DiscoveryFailure):  # of a login, caused by such a response
        return error.__context__ is not None and is_transient(error.__context__)
    if isinstance(error, ksa.UnknownConnectionError) and isinstance(error.original, _WRONG_URL):
        return False
    if type(error) is OSError and error.errno is None:  # such as a file of certificates missing
        return False
    if isinstance(error, ksa.SSLError):  # also raised if the connection breaks during TLS
        return "CERTIFICATE_VERIFY_FAILED" not in str(error)
    return isinstance(error, (ksa.ConnectionError, *BROKEN))


def is_unsent(error: BaseException, handled: BaseException | None) -> bool:
    """Return whether a failure shows that no connection was made, so nothing was received."""
    return any(isinstance(layer, _UNSENT) for layer in _layers(error, handled))


def reason(error: BaseException, handled: BaseException | None) -> str:
    """Return the system's own words for a failure, without those of the layers around it.

    :param handled: the exception that was being handled when the request was sent, if any: where
        the failure's own causes end.
    """
    cause = innermost(error, handled)
    words = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return (words or type(cause).__name__).rstrip(". ")


def innermost(error: BaseException, handled: BaseException | None) -> BaseException:
    """Return the first cause of a failure.

    keystoneauth and requests do not name causes: an exception's context must do. The context of
    the innermost one, though, is whatever the caller was handling, such as the error after which
    it cleans up, and no cause of this failure.
    """
    return _layers(error, handled)[-1]


def _layers(error: BaseException, handled: BaseException | None) -> list[BaseException]:
    layers = [error]
    while True:
        inner = layers[-1].__cause__ or layers[-1].__context__
        if inner is None or inner is handled or inner in layers:
            return layers
        layers.append(inner)
