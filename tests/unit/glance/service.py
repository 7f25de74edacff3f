# SPDX-License-Identifier: Apache-2.0
"""A small image service behind real sockets, with one image and one task."""

import json

from keystoneauth1.adapter import Adapter

from rackspace_imagetasks.glance.api import api_root
from rackspace_imagetasks.glance.words import image_words
from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.http.client import Client
from rackspace_imagetasks.http.retry import RetryPolicy
from tests.unit import sockets

IMAGE = {"id": "11111111-2222-3333-4444-555555555555", "name": "web", "status": "active"}
IMAGE |= {"owner": "acme", "visibility": "private"}
TASK = {"id": "task-1", "type": "export", "status": "success", "input": {"image_uuid": "1"}}


class Handler(sockets.Handler):
    def respond(self) -> None:
        answers = {
            "v2/images": {"images": [IMAGE]},
            f"v2/images/{IMAGE['id']}": IMAGE,
            "v2/tasks": {"tasks": [TASK]},
            "v2/tasks/task-1": TASK,
        }
        found = answers.get(self.target)
        self.answer(200 if found else 404, {}, json.dumps(found or {}).encode())


class ImageService(sockets.Service):
    """The service; its catalog entry names no version of the API."""

    handler = Handler

    def adapter(self) -> Adapter:
        return sockets.adapter_for(self.url, "image")

    def client(self, sleep, *, timeout=5.0, **options) -> Client:
        """Return a client whose waits take no time."""
        policy = RetryPolicy(8, timeout, timeout, options.pop("answer_timeout", 5.0))
        return Client(
            self.adapter(),
            image_words("DFW"),
            retry=policy,
            cancellation=Cancellation(sleep),
            api_root=api_root,
            **options,
        )
