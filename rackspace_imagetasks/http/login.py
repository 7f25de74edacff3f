# SPDX-License-Identifier: Apache-2.0
"""How a refused login is reported."""

import contextlib
from collections.abc import Iterator

from keystoneauth1 import exceptions as ksa

from rackspace_imagetasks.exceptions import AccessDenied

BAD_LOGIN = (
    "The cloud refused the credentials; check the user, key or password in clouds.yaml or the OS_*"
    " variables."
)


@contextlib.contextmanager
def refused_credentials() -> Iterator[None]:
    """Report a login that the cloud refuses: 401, or 400 if a part of the credentials is missing.

    :raises AccessDenied: if the login is refused.
    """
    try:
        yield
    except (ksa.Unauthorized, ksa.BadRequest) as error:
        raise AccessDenied(BAD_LOGIN) from error
