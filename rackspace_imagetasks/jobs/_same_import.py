# SPDX-License-Identifier: Apache-2.0
"""What other runs, earlier or at the same time, have done of an import.

An import is done once. The image that a run has completed carries a mark; until then the tasks'
records tell what was done. If two runs start at the same instant, each creates a task before it can
see the other's. Before a run completes an image, it therefore looks for the other tasks, and all
runs agree on the same image: one that is marked already, or else that of the earliest task.

The services' times are rounded to seconds, so an object that is replaced within two seconds of the
start of its import cannot be told from the former one by time. Where the image that the task has
created carries a mark, the mark decides: it has the ETag of the content.

What remains: two runs complete an image each if the service shows neither the other's task, for as
long as the first task runs, nor its mark; a run that is killed between the end of its task and the
deletion of its duplicate leaves the duplicate; an object that is replaced within those two seconds
is taken for the former one as long as no run has completed the image. A task cannot be cancelled:
a run that does not wait and creates a task after another run's can only report both.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import TaskFailed
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.jobs._imported import find_imported_image, parse_time
from rackspace_imagetasks.jobs._marked import find_completed
from rackspace_imagetasks.jobs.marks import Mark
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.threads import in_background

_ROUNDING = timedelta(seconds=1)  # an object's time is rounded up, a task's down


class Found(NamedTuple):
    """An image, or a task that creates it or has created it; empty if there is neither."""

    image: ImageFacts | None = None
    task: Task | None = None

    def __bool__(self) -> bool:
        return any(self)

    def precedes(self, task: Task) -> bool:
        """Return whether this is a complete image or an earlier task; all runs see one order."""
        return self.image is not None or (
            self.task is not None and _order(self.task) < _order(task)
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SameImport:
    """All imports of the same content as an image with the same name.

    :ivar object: the object to import.
    :ivar any_name: whether tasks count whatever they name the image: the object alone identifies
        what is transferred, and the source image may have been renamed since.
    :ivar mark: the mark of the completed image.
    :ivar written_at: when the object got its present content; an earlier task imported other
        content. None if the object's name stands for its content.
    """

    cloud: Cloud
    object: ObjectName
    name: str
    mark: Mark
    written_at: datetime | None = None
    any_name: bool = False

    def find(self) -> Found:
        """Return the completed image, or else the earliest task."""
        find_task = in_background(lambda: min(self._tasks(), key=_order, default=None))
        if image := self.completed():
            return Found(image=image)
        return Found(task=find_task())

    def find_running(self) -> Task | None:
        """Return the earliest running task."""
        tasks = self.cloud.tasks.with_inputs("import", running=True)
        return min(filter(self._is_same, tasks), key=_order, default=None)

    def completed(self) -> ImageFacts | None:
        """Return the image that a run has completed; the oldest one if there are several."""
        return find_completed(self.cloud, self.mark)

    def _tasks(self) -> Iterator[Task]:
        for task in self.cloud.tasks.with_inputs("import"):
            if not self._is_same(task):
                continue
            if not task.ended:
                yield task
                continue
            image = find_imported_image(self.cloud, task, self.name_of(task))
            if image and not self.mark.is_other_on(image):
                yield task

    def name_of(self, task: Task) -> str:
        """Return the name that a task of these imports gives the image."""
        name = _location_and_name(task.input)[1]
        return name if self.any_name and isinstance(name, str) else self.name

    def _is_same(self, task: Task) -> bool:
        location, name = _location_and_name(task.input)
        is_same = location == str(self.object) and (self.any_name or name == self.name)
        return is_same and self._read_present_content(task)

    def _read_present_content(self, task: Task) -> bool:
        created = parse_time(task.created_at)
        if self.written_at is None or created is None:
            return True
        return self.written_at - _ROUNDING <= created


def agreed_image(
    found: Found, follow: Callable[[Task], tuple[ImageFacts, Task]], find: Callable[[], Found]
) -> tuple[ImageFacts, Task | None]:
    """Return the image on which all runs of an import agree, and its task unless it was complete.

    :param found: what to follow first.
    :param follow: waits for a task; returns its image, and the task as it ended.
    :param find: returns what other runs have done so far.
    :raises TaskFailed: if the task fails, and there is no other.
    """
    while found.image is None:
        assert found.task  # something was found
        try:
            image, task = follow(found.task)
        except TaskFailed as error:  # a failed task is not found again: the next one is followed
            found = find()
            if not found or (found.task and found.task.id == error.task_id):
                raise
            continue
        others = find()
        if others.image and others.image.id == image.id:
            return others.image, task
        if not others.precedes(task):
            return image, task
        found = others
    return found.image, None


def _order(task: Task) -> tuple[str, str]:
    return task.created_at, task.id


def task_input(source: ObjectName, name: str) -> dict[str, Any]:
    """Return the input of the task that imports an object; it can set no property but the name."""
    return {
        "import_from": str(source),
        "import_from_format": "vhd",
        "image_properties": {"name": name},
    }


def find_reader(cloud: Cloud, source: ObjectName) -> Task | None:
    """Return a running task that imports an object, under any name."""
    return cloud.tasks.find(
        "import", lambda given: _location_and_name(given)[0] == str(source), running=True
    )


def _location_and_name(given: Mapping[str, Any]) -> tuple[object, object]:
    properties = given.get("image_properties")
    name = properties.get("name") if isinstance(properties, dict) else None
    return given.get("import_from"), name
