# SPDX-License-Identifier: Apache-2.0
"""A standard Glance in memory, behind real sockets, that stores image data.

It behaves as Glance 33 was found to do, also after a failure. Faults are functions of the request's
handler, here and in `tests.unit.objects.faults`.
"""

import hashlib
import json
from collections.abc import Callable

from oslotest import base

from rackspace_imagetasks.glance.data import ImageDataClient
from rackspace_imagetasks.glance.data_source import ImageDataSource
from rackspace_imagetasks.glance.words import image_words
from rackspace_imagetasks.objects.data_transfer import DataTransfer
from tests.unit import sockets
from tests.unit.glance.service import ImageService
from tests.unit.objects.base import Ledger

PLACE = "region 'SJC3' of cloud 'flex'"
MARK = {"image_task_source": "there/1"}


class Handler(sockets.Handler):
    """One connection; `image` is the image that a request is about."""

    service: "DataService"

    def respond(self) -> None:
        kind, _, rest = self.target.removeprefix("v2/").partition("/")
        image_id, _, part = rest.partition("/")
        if kind == "info":
            return self.reply(200, {"import-methods": {"value": self.service.methods}})
        if not image_id:
            return self.create() if self.command == "POST" else self.list()
        self.image = self.service.images.get(image_id)
        if self.image is None:
            return self.refuse(404, "No image found")
        return getattr(self, f"{self.command.lower()}_{part or 'image'}")()

    def reply(self, status: int, value: object) -> None:
        self.answer(status, {"Content-Type": "application/json"}, json.dumps(value).encode())

    def refuse(self, status: int, reason: str) -> None:
        """Answer as WebOb does."""
        if self.headers.get("Accept") != "application/json":
            page = f"<html><body><h1>{status}</h1>{reason}<br /><br /></body></html>"
            return self.answer(status, {"Content-Type": "text/html"}, page.encode())
        message = f"The server does not like this.<br /><br />\n{reason}\n\n"
        return self.reply(status, {"message": message, "code": str(status), "title": "x"})

    def create(self) -> None:
        self.image = self.service.add(**json.loads(self.read_body()))
        self.reply(201, self.image)

    def list(self) -> None:
        wanted = {key: value for key, value in self.query.items() if key != "limit"}
        images = self.service.images.values()
        found = [image for image in images if wanted.items() <= image.items()]
        self.reply(200, {"images": found})

    def get_image(self) -> None:
        if self.service.changes:
            self.image |= self.service.changes.pop(0)
        self.reply(200, self.image)

    def delete_image(self) -> None:
        del self.service.images[self.image["id"]]
        self.answer(204)

    def put_file(self) -> None:
        if self.image["status"] != "queued":
            return self.refuse(409, f"Invalid operation in status {self.image['status']}")
        if self.image["checksum"]:
            return self.refuse(500, "The image has data")
        self.service.store(self.image, self.read_body())
        return self.answer(204)

    def get_file(self) -> None:
        content = self.service.contents[self.image["id"]]
        wanted = self.headers.get("Range") if self.service.ranges != "ignored" else None
        if not wanted:
            return self.answer(200, {}, content)
        if self.service.ranges == "refused":
            return self.refuse(400, "Requested range is not satisfiable")
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        part = content[int(first) : int(last) + 1]
        given = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
        return self.answer(206, {"Content-Range": given}, part)

    def post_import(self) -> None:
        self.service.imports.append(json.loads(self.read_body()))
        self.answer(202)

    def get_tasks(self) -> None:
        self.reply(200, {"tasks": self.service.tasks})


class DataService(ImageService):
    """The service.

    :ivar ranges: whether `Range` is "honoured", "ignored" or "refused".
    :ivar changes: what changes about an image, one for each time that an image is read.
    :ivar imports: the bodies of the requests to import.
    """

    handler = Handler

    def __init__(self) -> None:
        self.images: dict[str, dict] = {}
        self.contents: dict[str, bytes] = {}
        self.ranges = "honoured"
        self.changes: list[dict] = []
        self.imports: list[dict] = []
        self.tasks: list[dict] = []
        self.methods = ["glance-direct", "web-download"]
        self.created = 0
        super().__init__()

    def add(self, **values: object) -> dict:
        """Create an image without data."""
        self.created += 1
        image = {
            "id": f"00000000-0000-0000-0000-{self.created:012d}",
            "owner": "None",  # the project of tokens that have none
            "status": "queued",
            "visibility": "private",
            "size": None,
            "checksum": None,
            "os_hash_algo": None,
            "os_hash_value": None,
            **values,
        }
        self.images[image["id"]] = image
        return image

    def store(self, image: dict, content: bytes, status: str = "active") -> None:
        """Give an image its data."""
        self.contents[image["id"]] = content
        image |= {
            "status": status,
            "size": len(content),
            "checksum": hashlib.md5(content).hexdigest(),
            "os_hash_algo": "sha512",
            "os_hash_value": hashlib.sha512(content).hexdigest(),
        }


def refused(status: int, reason: str) -> Callable[[Handler], bool]:
    """Read the whole body and refuse it, without an effect."""

    def act(handler: Handler) -> bool:
        handler.read_body()
        handler.refuse(status, reason)
        return True

    return act


class DataCase(base.BaseTestCase):
    """A test with a Glance, and with waits that take no time."""

    def setUp(self):
        super().setUp()
        self.service = DataService()
        self.addCleanup(self.service.close)
        self.waits: list[float] = []
        self.ledger = Ledger()
        self.faults: list[tuple[int, sockets.Fault]] = []
        self.data = self.client()

    def client(self, **options) -> ImageDataClient:
        return ImageDataClient(
            self.service.client(self.waits.append, **options).worded(image_words("SJC3", "flex"))
        )

    def transfer(self, stop=None) -> DataTransfer:
        return DataTransfer(progress=self.ledger, stop=stop, sleep=self.waits.append)

    def fault(self, action, method, part="", times=1) -> None:
        self.service.fault(action, method, part, times)
        self.faults.append((times, self.service.faults[-1]))

    def fired(self) -> list[int]:
        """Return how often each fault has occurred."""
        return [times - fault.times for times, fault in self.faults]

    def stored(self, content: bytes, **values) -> dict:
        """Create an active image."""
        image = self.service.add(name="web", disk_format="raw", **values)
        self.service.store(image, content)
        return image | values

    def source(self, image: dict, **options) -> ImageDataSource:
        data = self.client(**options)
        return ImageDataSource(data.client, data.images.get(image["id"]))

    def count(self, method: str, part: str = "") -> int:
        return len(self.service.requests(method, part))
