# SPDX-License-Identifier: Apache-2.0
"""One cloud and region as the flows see it: its images, tasks and objects, and what it allows."""

import functools
import threading
import urllib.parse

from keystoneauth1 import exceptions as ksa
from openstack import connection as sdk_connection
from openstack import exceptions as sdk
from openstack.config import cloud_region

from rackspace_imagetasks.exceptions import NotFound
from rackspace_imagetasks.glance.images import ImageClient
from rackspace_imagetasks.glance.service import ImageService
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.glance.tasks import TaskClient
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.objects.transfer import Transfer, TransferOptions
from rackspace_imagetasks.profile import ProviderProfile, profile_of
from rackspace_imagetasks.progress import SILENT, Progress
from rackspace_imagetasks.text import printable


class Cloud:
    """The services of one cloud and region, behind one openstacksdk connection."""

    def __init__(
        self,
        connection: sdk_connection.Connection,
        stop: threading.Event,
        profile: ProviderProfile | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self.connection = connection
        self.stop = stop
        self.profile = profile or profile_of_cloud(connection)
        self.progress = progress

    @functools.cached_property
    def _service(self) -> ImageService:
        return ImageService(self.connection, self.stop)

    @property
    def region(self) -> str:
        """The region's name, for messages."""
        return self._service.region

    @functools.cached_property
    def images(self) -> ImageClient:
        """The images."""
        return ImageClient(self._service)

    @functools.cached_property
    def tasks(self) -> TaskClient:
        """The tasks."""
        return TaskClient(self._service, self.profile, self.stop, lambda: self.project_id)

    @functools.cached_property
    def project_id(self) -> str:
        """The project that the caller's token is for."""
        with self._service.errors("a token"):
            return str(self.connection.session.get_project_id(self.connection.session.auth))

    @functools.cached_property
    def objects(self) -> ObjectStore:
        """The account's objects.

        :raises NotFound: when the catalog has no object store in this region.
        """
        with self._service.errors("the object store's address"):
            try:
                adapter = self.connection.object_store
                endpoint = adapter.get_endpoint()
            except (ksa.EndpointNotFound, ksa.EmptyCatalog, sdk.ServiceDisabledException):
                endpoint = None
        if not endpoint:
            raise NotFound(
                f"The cloud's catalog has no object-store service in region '{self.region}', and"
                " images move through it; check the region's name and the cloud's catalog."
            )
        return ObjectStore(adapter)

    @property
    def place(self) -> tuple[str, str]:
        """The host of the identity service, and the region.

        What clouds.yaml calls a cloud differs from machine to machine.
        """
        auth_url = str(self.connection.config.config.get("auth", {}).get("auth_url", ""))
        return urllib.parse.urlsplit(auth_url).netloc, self.region

    def transfer(self, options: TransferOptions) -> Transfer:
        """Return the context of a transfer that reports to this cloud's progress."""
        return Transfer(options, self.progress, self.stop)

    def wait_for(self, task: Task, title: str, timeout: float | None = None) -> Task:
        """Wait until a task has succeeded, showing its status under a title.

        :param timeout: maximum number of seconds to wait.
        :raises TaskFailed, TaskTimeout: if the task fails, or still runs after `timeout`.
        """
        with self.progress.phase(title) as phase:
            return self.tasks.wait(
                task.id, timeout=timeout, on_status=lambda current: phase.note(current.status)
            )


def profile_of_cloud(connection: sdk_connection.Connection) -> ProviderProfile:
    """Return the profile that the cloud's entry in clouds.yaml asks for.

    :raises Refused: when its `image_tasks` has an unknown setting or a wrong value.
    """
    return profile_of(connection.config.config.get("image_tasks"), connection.config.name)


def connect_to(
    connection: sdk_connection.Connection, *, cloud: str | None, region: str | None
) -> sdk_connection.Connection:
    """Return a connection to another region with the same login, or to another cloud.

    :raises NotFound: when clouds.yaml has no such cloud, or the cloud no such region.
    """
    if cloud:
        try:
            return sdk_connection.from_config(cloud=cloud, region_name=region)
        except sdk.ConfigException as error:
            raise NotFound(f"{printable(error)} Check clouds.yaml.") from error
    # Not connect_as(): it stays in the old region.
    old = connection.config
    config = cloud_region.CloudRegion(
        name=old.name,
        region_name=region,
        config=old.config,
        auth_plugin=connection.session.auth,
        session=connection.session,
    )
    return sdk_connection.Connection(config=config)
