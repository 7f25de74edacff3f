# SPDX-License-Identifier: Apache-2.0
"""One cloud and region as the jobs see it: its images, tasks and objects, and its profile."""

import contextlib
import dataclasses
import threading
import urllib.parse

from openstack import connection as sdk_connection

from rackspace_imagetasks.events import Place
from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.glance.api import api_root
from rackspace_imagetasks.glance.data import ImageDataClient
from rackspace_imagetasks.glance.data_source import ImageDataSource
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.images import ImageClient
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.glance.tasks import TaskClient
from rackspace_imagetasks.glance.web_download import WebDownload
from rackspace_imagetasks.glance.words import image_words
from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.http.client import Client
from rackspace_imagetasks.http.retry import RetryPolicy
from rackspace_imagetasks.objects.data_transfer import DataTransfer, TransferOptions
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.objects.tempurl import AccountKey
from rackspace_imagetasks.profile import ProviderProfile, profile_of
from rackspace_imagetasks.progress import SILENT, Phase, PhaseKind, PhaseTitle, Progress
from rackspace_imagetasks.regions import GIVEN_NAMES
from rackspace_imagetasks.threads import SharedProperty

_IMAGE_RETRY = RetryPolicy(read_timeout=60.0, answer_timeout=120.0)
_OBJECT_RETRY = RetryPolicy()
_DEFAULT_PORTS = {"http": 80, "https": 443}
_KINDS = {"export": PhaseKind.EXPORT, "import": PhaseKind.IMPORT}  # by the type of a task


class Cloud:
    """The services of one cloud and region, behind one openstacksdk connection.

    :param stop: ends waits when it is set.
    :param profile: the provider's rules; by default, those in the cloud's entry in clouds.yaml.
    :param progress: where long waits are reported.
    """

    def __init__(
        self,
        connection: sdk_connection.Connection,
        stop: threading.Event,
        profile: ProviderProfile | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self.connection = connection
        self.stop = stop
        self._declared = profile or profile_of_cloud(connection)
        self.progress = progress
        self.account_key = AccountKey()  #: for temporary URLs of the account's objects
        self._with_ranges: dict[str, bool] = {}
        self._notify = None if progress is SILENT else progress.message

    @property
    def region(self) -> str:
        """The region's name, for messages."""
        return str(self.connection.config.get_region_name("image") or "")

    @SharedProperty
    def profile(self) -> ProviderProfile:
        """The provider's rules; if clouds.yaml does not tell the kind of cloud, it is looked up.

        :raises AccessDenied, ServiceError: if that fails.
        """
        other = self._declared.without_tasks
        if other is None or self.tasks.exist():
            return self._declared
        return other

    def get_ready(self) -> ProviderProfile:
        """Log in, and return the profile.

        :raises AccessDenied, ServiceError: if that fails.
        """
        self.project_id  # noqa: B018  # it needs the login
        return self.profile

    @SharedProperty
    def images(self) -> ImageClient:
        """The images."""
        return ImageClient(self._image_client)

    @SharedProperty
    def tasks(self) -> TaskClient:
        """The tasks."""
        return TaskClient(self._image_client, self._declared, self.stop)

    @SharedProperty
    def image_data(self) -> ImageDataClient:
        """The data of images, where the service gives access to them."""
        return ImageDataClient(self._image_client)

    def image_source(self, image: ImageFacts) -> ImageDataSource:
        """Return the data of an image as a byte source.

        :raises SourceError: if the image has no data.
        """
        return ImageDataSource(self._image_client, image, self._with_ranges)

    def web_download(self, transfer: DataTransfer) -> WebDownload:
        """Return the downloads by the image service, which end when a transfer is cancelled."""
        data = transfer.connect(self.image_data)
        return WebDownload(data, poll_interval=self.profile.poll_interval)

    @property
    def event_place(self) -> Place:
        """The cloud and region, for events."""
        return Place(self.name or None, self.region)

    @property
    def name(self) -> str:
        """The cloud's name in clouds.yaml; empty if it is not from there."""
        name = self.connection.config.name
        return "" if name in GIVEN_NAMES else str(name or "")

    @SharedProperty
    def project_id(self) -> str:
        """The project that the token is for.

        :raises AccessDenied: if the cloud refuses the credentials.
        """
        return self._image_client.project_id()

    @SharedProperty
    def objects(self) -> ObjectStore:
        """The account's objects; requests end with `Cancelled` when `stop` is set.

        :raises NotFound: if the catalog has no object store in this region.
        """
        retry = self._timed(_OBJECT_RETRY)
        store = ObjectStore(
            self.connection.config.get_session_client("object-store"),
            connect_timeout=retry.connect_timeout,
            read_timeout=retry.read_timeout,
            notify=self._notify,
            cloud=self.name,
        ).until(self.stop)
        store.endpoint()
        return store

    @SharedProperty
    def _image_client(self) -> Client:
        return Client(
            self.connection.config.get_session_client("image"),
            image_words(self.region, self.name),
            retry=self._timed(_IMAGE_RETRY),
            cancellation=Cancellation(self.stop.wait, self.stop),
            notify=self._notify,
            api_root=api_root,
        )

    def _timed(self, retry: RetryPolicy) -> RetryPolicy:
        """Return the policy with the time-out that is configured for the cloud, if any."""
        timeout = self.connection.session.timeout  # api_timeout in clouds.yaml
        if timeout is None:
            return retry
        connect_timeout = min(timeout, retry.connect_timeout)
        return dataclasses.replace(retry, connect_timeout=connect_timeout, read_timeout=timeout)

    @property
    def place(self) -> tuple[str, str]:
        """The host of the identity service, and the region.

        The name of a cloud in clouds.yaml is not used: it differs between machines.
        """
        auth_url = str(self.connection.config.config.get("auth", {}).get("auth_url", ""))
        url = urllib.parse.urlsplit(auth_url)
        port = "" if url.port in (None, _DEFAULT_PORTS.get(url.scheme)) else f":{url.port}"
        return f"{url.hostname or ''}{port}", self.region

    @property
    def project_place(self) -> tuple[tuple[str, str], str]:
        """The place and the project in it: images move between two clouds if these differ.

        :raises AccessDenied: if the cloud refuses the credentials.
        """
        return self.place, self.project_id

    def data_transfer(self, options: TransferOptions) -> DataTransfer:
        """Return the context of a transfer that reports to this cloud's progress."""
        return DataTransfer(options, self.progress, self.stop)

    def wait_for(self, task: Task, title: str, timeout: float | None = None) -> Task:
        """Wait until a task has succeeded, showing its status under a title.

        :param timeout: maximum number of seconds to wait.
        :raises TaskFailed, TaskTimeout: if the task fails, or still runs after `timeout`.
        """
        with self.task_phase(task, title) as phase:
            return self.tasks.wait(
                task.id, timeout=timeout, on_status=lambda current: phase.note(current.status)
            )

    def task_phase(self, task: Task, title: str) -> contextlib.AbstractContextManager[Phase]:
        """Return the phase of a wait for a task."""
        kind = _KINDS.get(task.type, PhaseKind.WAIT)
        return self.progress.phase(PhaseTitle(kind, title, task.id))

    def require_apart(self, other: "Cloud") -> None:
        """Check that another cloud and region is a different place.

        Two regions whose names differ may share an endpoint by mistake, in clouds.yaml or in the
        catalog. Another project in the same region is a different place.

        :raises Refused: if the endpoints of images or of objects are the same.
        :raises NotFound: if the catalog does not have the other region.
        """
        by_tasks = self.profile.uses_tasks and other.profile.uses_tasks
        services = ("image", "object store") if by_tasks else ("image",)
        theirs = [other._endpoint(service) for service in services]  # noqa: SLF001
        if self.region == other.region and self.project_id != other.project_id:
            return
        ours = map(self._endpoint, services)
        for service, here, there in zip(services, ours, theirs, strict=True):
            if _place(here, self.project_id) == _place(there, other.project_id):
                raise Refused(
                    f"Regions '{self.region}' and '{other.region}' use the same {service} endpoint,"
                    f" '{there}'. Check the endpoint overrides in clouds.yaml."
                )

    def _endpoint(self, service: str) -> str:
        client = self.objects if service == "object store" else self._image_client
        return client.endpoint()


def _place(endpoint: str, project_id: str) -> tuple[str, int | None, str]:
    """Return an endpoint's host, port and path; the path without the project."""
    url = urllib.parse.urlsplit(endpoint)
    port = url.port or _DEFAULT_PORTS.get(url.scheme)
    return url.hostname or "", port, url.path.replace(project_id, "").rstrip("/")


def profile_of_cloud(connection: sdk_connection.Connection) -> ProviderProfile:
    """Return the profile that the cloud's entry in clouds.yaml asks for.

    :raises Refused: if its `image_tasks` has an unknown setting or a wrong value.
    """
    config = connection.config.config
    return profile_of(
        config.get("image_tasks"),
        connection.config.name,
        uses_tasks=config.get("image_api_use_tasks") is True,
    )
