# SPDX-License-Identifier: Apache-2.0
"""Show a cleanup, in whatever process, that a job is using an object."""

import contextlib

from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.jobs.names import is_own_name
from rackspace_imagetasks.objects.heartbeat import in_use
from rackspace_imagetasks.objects.names import ObjectName


def shown_in_use(
    cloud: Cloud, name: ObjectName, user: str | None = None
) -> contextlib.AbstractContextManager[None]:
    """Show that an object is in use, if it is one that a cleanup would delete.

    :param user: what uses the object, if it has a name.
    """
    if not is_own_name(name.name):
        return contextlib.nullcontext()
    return in_use(cloud.objects, name, user=user)
