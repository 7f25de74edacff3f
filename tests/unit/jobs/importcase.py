# SPDX-License-Identifier: Apache-2.0
"""A cloud with a state: images and tasks, and the object to import, behind requests-mock."""

import hashlib
import json
import re

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.glance.settings import ImageSettings
from rackspace_imagetasks.jobs import imports, marks
from rackspace_imagetasks.jobs.import_checks import ImportRequest, plan_import
from rackspace_imagetasks.objects.names import ObjectName
from tests.unit import clouds
from tests.unit.clouds import IMAGE, OBJECTS, PROJECT

TASKS = f"{IMAGE}/v2/tasks"
IMAGES = f"{IMAGE}/v2/images"
STAGED = "image-imports/web-0123456789abcdef.vhd"
MARK = "web-0123456789abcdef.vhd"
LAST_MODIFIED = "Thu, 01 Jan 2026 00:00:00 GMT"
INPUT = {
    "import_from": STAGED,
    "import_from_format": "vhd",
    "image_properties": {"name": "web"},
}


def image_id(number):
    return f"{number:08d}-2222-3333-4444-555555555555"


class Glance:
    """Images and tasks; a task ends at the next wait of the client, unless it is `held`.

    :ivar at_listings: what happens before the next listings of tasks, one by one.
    :ivar at_ticks: what happens when the client waits next.
    :ivar outcomes: how tasks end, by ID: a message for a failure, or changes of the image.
    """

    def __init__(self, requests):
        self.images, self.tasks = {}, {}
        self.at_listings, self.at_ticks, self.outcomes, self.held = [], [], {}, set()
        one_image, one_task = (re.compile(f"^{url}/[^/?]+$") for url in (IMAGES, TASKS))
        requests.get(IMAGES, json=self._list_images)
        requests.get(one_image, json=self._get(self.images))
        requests.patch(one_image, json=self._patch)
        requests.delete(one_image, text=self._delete)
        requests.get(TASKS, json=self._list_tasks)
        requests.get(one_task, json=self._get(self.tasks))
        requests.post(TASKS, json=self._create, status_code=201)

    def task(self, task_id, second=0, status="processing", **details):
        """Add a task that another run created, and return it."""
        self.tasks[task_id] = {
            "id": task_id,
            "type": "import",
            "status": status,
            "message": "None",
            "owner": PROJECT,
            "input": INPUT,
            "result": None,
            "created_at": f"2026-01-01T00:00:{second:02d}Z",
            **details,
        }
        return self.tasks[task_id]

    def image(self, number, second=0, **details):
        """Add an image, and return its ID."""
        self.images[image_id(number)] = {
            "id": image_id(number),
            "name": "web",
            "owner": PROJECT,
            "status": "active",
            "visibility": "private",
            "created_at": f"2026-01-01T00:00:{second:02d}Z",
            "tags": [],
            **details,
        }
        return image_id(number)

    def complete_image(self, number, second=0, mark=MARK):
        """Add an image that another run has completed, and return its ID."""
        properties = marks.import_mark(mark).properties(image_id(number))
        return self.image(number, second, **properties)

    def succeed(self, task, **changes):
        """End a task with an image of its own."""
        second = int(task["created_at"][-3:-1])
        properties = {**task["input"]["image_properties"], **changes}
        created = self.image(10 + len(self.images), second, **properties)
        task.update(status="success", result={"image_id": created})

    def tick(self):
        """End the tasks that run."""
        while self.at_ticks:
            self.at_ticks.pop()()
        for task in self.tasks.values():
            if task["status"] == "success" or task["id"] in self.held:
                continue
            outcome = self.outcomes.get(task["id"], {})
            if isinstance(outcome, str):
                task.update(status="failure", message=outcome)
            elif task["status"] == "processing":
                self.succeed(task, **outcome)

    def _list_images(self, request, _context):
        wanted = {key: values[0] for key, values in request.qs.items()}
        del wanted["limit"]
        found = [
            image
            for image in self.images.values()
            if all(str(image.get(key, "")).lower() == value for key, value in wanted.items())
        ]
        return {"images": found}

    def _list_tasks(self, _request, _context):
        if self.at_listings and (action := self.at_listings.pop(0)):
            action()
        return {
            "tasks": [
                {k: v for k, v in task.items() if k not in ("input", "result", "message")}
                for task in reversed(self.tasks.values())
            ]
        }

    def _get(self, items):
        def get(request, context):
            found = items.get(request.path.rpartition("/")[2])
            context.status_code = 200 if found else 404
            return found or {}

        return get

    def _patch(self, request, _context):
        image = self.images[request.path.rpartition("/")[2]]
        for change in json.loads(request.body):
            image[change["path"].lstrip("/")] = change["value"]
        return image

    def _delete(self, request, context):
        del self.images[request.path.rpartition("/")[2]]
        context.status_code = 204
        return ""

    def _create(self, request, _context):
        asked = json.loads(request.body)
        number = len(self.tasks)
        return self.task(f"own-{number}", 30, input=asked["input"])


class ImportCase(clouds.CloudTestCase):
    """An import of 'web' from three bytes; its task is created at second 30.

    :ivar objects: the headers of the objects that exist, by location.
    """

    def setUp(self):
        super().setUp()
        self.glance = Glance(self.requests)
        self.tasks = self.image_tasks(poll_interval=1e-6)
        self.tasks.cloud.stop = self.tasks.stop = _Stop(self.glance)
        self.objects = {}
        self.requests.head(re.compile(f"{OBJECTS}(/[^/]*)?$"), status_code=204)
        one = re.compile(f"^{OBJECTS}/[^/]+/.+")
        self.requests.put(re.compile(OBJECTS), text=self._put)
        self.requests.head(one, text=self._head)
        self.requests.post(one, status_code=202)
        self.requests.delete(one, text=self._delete)

    def stage(self, *, expires=True):
        """Have the staged object of an earlier run."""
        self.objects[STAGED] = headers_of(b"abc", expires=expires)

    def plan(self, **changes):
        given = {
            "cloud": self.tasks.cloud,
            "name": "web",
            "object": ObjectName.parse(STAGED),
            "mark": marks.import_mark(MARK),
            "settings": ImageSettings(tags=("gold",)),
            "source": BytesSource(b"abc"),
            "delete_object": True,
        }
        return imports.ImportPlan(**given | changes)

    def checked(self, **changes):
        """Return the checked plan of an import."""
        plan = self.plan(**changes)
        request = ImportRequest(
            name=plan.name,
            object=plan.object,
            mark=plan.mark,
            settings=plan.settings,
            source=plan.source,
            create_container=plan.create_container,
            delete_object=plan.delete_object,
            new_copy=plan.new_copy,
        )
        return plan_import(plan.cloud, request)

    def run_import(self, timeout=None, **changes):
        return self.plan(**changes).with_earlier_run().run(timeout=timeout)

    def changes(self):
        """Return method and path of what was sent that changes something, but no markers."""
        return [
            (r.method, r.path.rpartition("/")[2])
            for r in self.requests.request_history
            if r.method not in ("GET", "HEAD")
            and "identity.test" not in r.url
            and "/in-use/" not in r.path
        ]

    def methods(self):
        return [method for method, _ in self.changes()]

    def require_image(self, found, expected, *, images):
        """Check that a run reports an image, complete and the only one, or one of `images`."""
        self.assertEqual(expected, found.image_id)
        self.assertEqual(images, sorted(self.glance.images))
        image = self.glance.images[expected]
        self.assertEqual(["gold"], image["tags"])
        marked = marks.import_mark(MARK).properties(expected)
        self.assertEqual(marked, {key: image[key] for key in marked})

    def _put(self, request, context):
        content = b"".join(request.body or ())
        if "/" in _location(request):  # not a container
            expires = "X-Delete-After" in request.headers
            self.objects[_location(request)] = headers_of(content, expires=expires)
        context.headers["ETag"] = hashlib.md5(content).hexdigest()
        context.status_code = 201
        return ""

    def _head(self, request, context):
        facts = self.objects.get(_location(request))
        context.status_code = 404 if facts is None else 200
        context.headers.update(facts or {})
        return ""

    def _delete(self, request, context):
        gone = self.objects.pop(_location(request), None)
        context.status_code = 404 if gone is None else 204
        return ""


class _Stop(clouds.Stop):
    def __init__(self, glance):
        super().__init__()
        self._glance = glance

    def wait(self, timeout=None):
        self._glance.tick()
        return super().wait(timeout)


def _location(request):
    return request.path.removeprefix("/v1/auth_acme/")  # requests-mock lowers the case


def headers_of(content, *, expires):
    facts = {
        "Content-Length": str(len(content)),
        "ETag": hashlib.md5(content).hexdigest(),
        "Last-Modified": LAST_MODIFIED,
    }
    return facts | ({"X-Delete-At": "9999999999"} if expires else {})
