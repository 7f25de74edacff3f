# SPDX-License-Identifier: Apache-2.0
"""The development cloud, and how programs access its Swift."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import openstack

USER, REGIONS = "alice", ("DFW", "ORD")
KVM_USER, KVM_REGION = "flex", "SJC3"


class Region:
    """A region of a running cloud, accessed as a user of clouds.yaml."""

    def __init__(self, name: str, user: str = USER) -> None:
        self.name = name
        self.connection = openstack.connect(cloud=user, region_name=name)
        self.address = str(self.connection.object_store.get_endpoint())
        self.token = str(self.connection.auth_token)

    def empty(self) -> None:
        """Delete all objects and images, and wait until all tasks have ended."""
        self.delete_objects()
        while any(task.status in {"pending", "processing"} for task in self._tasks()):
            time.sleep(0.2)
        self.delete_images()

    def delete_objects(self) -> None:
        store = self.connection.object_store
        for container in store.containers():
            for found in store.objects(container):
                store.delete_object(found)
            store.delete_container(container)

    def delete_images(self) -> None:
        for image in self.connection.image.images(owner=self.connection.current_project_id):
            self.connection.image.delete_image(image)

    def _tasks(self) -> Iterator[object]:
        return iter(self.connection.image.tasks())


@contextlib.contextmanager
def running(root: Path) -> Iterator[Region]:
    """Run a cloud, set its clouds.yaml in the environment, and yield its first region."""
    command = [sys.executable, "-m", "devcloud", "up", "--root", root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            _ready, _, clouds = process.stdout.readline().strip().partition("=")
            os.environ["OS_CLIENT_CONFIG_FILE"] = clouds
            yield Region(REGIONS[0])
        finally:
            process.terminate()
