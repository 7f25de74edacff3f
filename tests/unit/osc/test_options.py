# SPDX-License-Identifier: Apache-2.0
"""The images that a command line names."""

import argparse
import threading
import types

from oslotest import base

from rackspace_imagetasks.exceptions import Cancelled, NotFound
from rackspace_imagetasks.osc import options


class ImagesOfTest(base.BaseTestCase):
    def images_of(self, image_id, *names, concurrency=4):
        tasks = types.SimpleNamespace(image_id=image_id)
        given = argparse.Namespace(image=list(names), property=None, concurrency=concurrency)
        return options.images_of(tasks, given)

    def test_several(self):
        """Images are looked up at the same time; each is named once, in the order given.

        An image that is not found keeps its place: its turn reports it.
        """
        together = threading.Barrier(4, timeout=60)
        ids = {"web": "1", "db": "2", "1": "1"}

        def image_id(image):
            together.wait()
            if image == "lost":
                raise NotFound("No.")
            return ids[image]

        self.assertEqual(["web", "lost", "db"], self.images_of(image_id, "web", "lost", "1", "db"))

    def test_one(self):
        """One image is looked up when it is planned, and not before."""
        self.assertEqual(["web"], self.images_of(None, "web"))

    def test_cancelled(self):
        """A cancelled lookup ends the command."""

        def image_id(_image):
            raise Cancelled("Stopped.")

        self.assertRaises(Cancelled, self.images_of, image_id, "web", "db", concurrency=1)
