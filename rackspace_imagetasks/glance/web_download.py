# SPDX-License-Identifier: Apache-2.0
"""Let the image service download the data of an image from a URL: the method `web-download`.

The service neither limits the time of a download nor repeats it, and reports a failure only by the
state of the image (found by experiment with Glance 33):

- For an instant after the request is accepted, the image is `queued` as before.
- Then it is `importing`. If the service is killed, it remains so.
- After a failure it is `queued` again, with `os_glance_failed_import` set.
- Once it is `active`, the import stores all properties of the image once more, as they were, and
  only then deletes its lock. What is set meanwhile is lost (`_VerifyImageState` and `_CompleteTask`
  in `glance/async_/flows/api_image_import.py`).

The URL opens the object to everyone, so it appears in no message.
"""

import dataclasses
import itertools
import json
import re
import time
import urllib.parse
from collections.abc import Callable, Iterator

from rackspace_imagetasks.exceptions import (
    ImageTasksError,
    NotFound,
    ServiceError,
)
from rackspace_imagetasks.glance._data_words import upload_words
from rackspace_imagetasks.glance.data import JSON_ERRORS, ImageDataClient
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.http.client import Client
from rackspace_imagetasks.http.words import Meaning, ServiceWords
from rackspace_imagetasks.objects.tempurl import SecretUrl

WEB_DOWNLOAD = "web-download"
_FIRST_INTERVAL = 0.25  # seconds between two polls, which then grows
_START = 60.0  # seconds in which an import must have begun
_TOLERATED_POLLS = 10  # failed polls in a row
_LOCK = "os_glance_import_task"
_LOCKED = 30.0  # seconds for which an active image may be locked; a killed service leaves the lock
_URL = re.compile(r"[a-z]+://\S+|\S*temp_url_\S*", re.IGNORECASE)


class DownloadFailed(ServiceError):
    """The service did not download the data of the image, or did not accept them."""


@dataclasses.dataclass(frozen=True)
class _DiscreetWords(ServiceWords):
    """Words that quote no URL: a service repeats the one that it refuses."""

    def refusal(
        self, action: str, status: int, phrase: str, said: str, meaning: Meaning | None = None
    ) -> ImageTasksError:
        return super().refusal(action, status, phrase, _URL.sub("the URL", said), meaning)


def import_methods(client: Client) -> frozenset[str]:
    """Return the methods by which the service imports the data of images; often configured.

    :raises AccessDenied, ServiceError: if the service does not answer as it should.
    """
    accept = frozenset({404})  # of services before version 2.6 of the API
    answer = client.request("GET", "info/import", "list the import methods", accept=accept)
    if answer.status == 404:
        return frozenset()
    listed = answer.json_object().get("import-methods")
    methods = listed.get("value") if isinstance(listed, dict) else None
    if not isinstance(methods, list):
        raise answer.unusable("does not list import methods")
    return frozenset(map(str, methods))


class WebDownload:
    """Downloads by the image service of one cloud and region.

    :param poll_interval: seconds between two requests for the state of an image, after the first
        few, which follow each other faster.
    """

    def __init__(
        self,
        data: ImageDataClient,
        clock: Callable[[], float] = time.monotonic,
        poll_interval: float = 2.0,
    ) -> None:
        words = upload_words(data.client.words)
        fields = {each.name: getattr(words, each.name) for each in dataclasses.fields(words)}
        self._client = data.client.worded(_DiscreetWords(**fields))
        self._data = data
        self._place = data.place
        self._clock = clock
        self._poll_interval = poll_interval

    def run(
        self,
        image_id: str,
        url: SecretUrl,
        timeout: float,
        on_status: Callable[[ImageFacts], None] = lambda _image: None,
    ) -> ImageFacts:
        """Let the service download the data of an image that is waiting for them.

        After a failure the image is deleted. After a cancellation the service goes on.

        :param timeout: seconds until the image must be active.
        :param on_status: called with the image after each poll.
        :raises DownloadFailed: if the service cannot download the data, does not accept them, or
            is not ready in time.
        :raises AccessDenied, NotFound, ServiceError: if the service refuses the request.
        :raises Cancelled: when the client is cancelled.
        """
        with self._data.discarding(image_id):
            self._request(image_id, url)
            return self._wait(image_id, timeout, on_status)

    def follow(
        self,
        image_id: str,
        timeout: float,
        on_status: Callable[[ImageFacts], None] = lambda _image: None,
    ) -> ImageFacts:
        """Wait for a download that an earlier run has started; as `run` apart from that."""
        with self._data.discarding(image_id):
            return self._wait(image_id, timeout, on_status)

    def _request(self, image_id: str, url: SecretUrl) -> None:
        method = {"name": WEB_DOWNLOAD, "uri": url.reveal()}
        headers = {"Content-Type": "application/json", **JSON_ERRORS}
        action = f"import the data of image '{image_id}'"
        body = json.dumps({"method": method}).encode()
        try:
            self._client.send_once(f"{_path(image_id)}/import", action, body, headers)
        except ServiceError as error:
            if error.status is None or error.status >= 500:
                return  # the import may have begun: the image tells
            raise

    def _wait(
        self, image_id: str, timeout: float, on_status: Callable[[ImageFacts], None]
    ) -> ImageFacts:
        """Return the image once it is active and can be changed."""
        started = self._clock()
        begun = False
        for image in self._polled(image_id):
            on_status(image)
            if image.status == "active":
                return self._unlocked(image)
            elapsed = self._clock() - started
            if image.status not in ("importing", "queued"):
                raise self._failure(image_id, f"its status is '{image.status}'")
            if self._has_failed(image, begun=begun or elapsed > _START):
                raise self._failure(image_id, self._reason(image_id))
            if elapsed > timeout:
                raise self._failure(image_id, f"it was not complete after {timeout:.0f} s")
            begun = begun or image.status == "importing"
        raise AssertionError("unreachable")

    def _unlocked(self, image: ImageFacts) -> ImageFacts:
        """Return an active image once its import has ended."""
        started = self._clock()
        polls = itertools.chain([image], self._polled(image.id))
        return next(
            each
            for each in polls
            if not each.properties.get(_LOCK) or self._clock() - started > _LOCKED
        )

    def _polled(self, image_id: str) -> Iterator[ImageFacts]:
        """Yield an image again and again, in spite of some failures in between."""
        failures = 0
        for number in itertools.count():
            try:
                image = self._data.images.get(image_id)
            except NotFound as error:
                text = f"Image '{image_id}' in {self._place} was deleted during the import."
                raise NotFound(text) from error
            except ServiceError:
                failures += 1
                if failures > _TOLERATED_POLLS:
                    raise
            else:
                failures = 0
                yield image
            interval = min(_FIRST_INTERVAL * (number + 1), self._poll_interval)
            self._client.cancellation.wait(interval)

    def _has_failed(self, image: ImageFacts, *, begun: bool) -> bool:
        """Return whether an import that may have begun has failed.

        :param begun: whether the image was `importing` before, or should have been by now.
        """
        if image.properties.get("os_glance_failed_import"):
            return True
        if image.status == "queued" and not image.properties.get("os_glance_importing_to_stores"):
            return begun
        return any(task.status == "failure" for task in self._tasks(image.id))

    def _tasks(self, image_id: str) -> list[Task]:
        """Return the import tasks of an image, as far as the service lists them."""
        action = f"list the tasks of image '{image_id}'"
        accept = frozenset({403, 404})
        answer = self._client.request("GET", f"{_path(image_id)}/tasks", action, accept=accept)
        listed = answer.json_object().get("tasks") if answer.status < 300 else None
        try:
            return [Task.parse(task) for task in listed or () if isinstance(task, dict)]
        except (TypeError, ValueError) as error:
            raise answer.unusable("is not a list of tasks") from error

    def _reason(self, image_id: str) -> str:
        try:
            messages = [task.message for task in self._tasks(image_id) if task.status == "failure"]
        except ServiceError:
            messages = []
        said = _URL.sub("the URL", next(filter(None, messages), "")).rstrip(".")
        return f"the service reported: {said}" if said else "the service does not say why"

    def _failure(self, image_id: str, reason: str) -> DownloadFailed:
        return DownloadFailed(
            f"The image service could not import the data of image '{image_id}' in {self._place}:"
            f" {reason}."
        )


def _path(image_id: str) -> str:
    return f"images/{urllib.parse.quote(image_id, safe='')}"
