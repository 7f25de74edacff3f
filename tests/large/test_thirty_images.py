# SPDX-License-Identifier: Apache-2.0
"""A batch of images, imported while one request in twenty fails."""

from tests.functional import processcase
from tests.large.unreliable import unreliable

IMAGES = 30
MIB = 2**20


class ThirtyImagesTest(processcase.ProcessTestCase):
    def setUp(self):
        super().setUp()
        self.settings(segment_size=MIB)
        self.names = [f"image-{self.mark}-{number:02d}" for number in range(IMAGES)]

    def test_thirty_images(self):
        """The first run imports all of them; two more change nothing; each image exists once."""
        disks = [self.disk(2, f"{name}.raw") for name in self.names]
        words = ("import", *disks, "--wait", "--concurrency", "8", "--tag", "batch")
        with unreliable(self.root, "DFW") as fired:
            first = self.task(*words).rows
            self.assertEqual(self.names, [row["Name"] for row in first])
            for counts in fired():
                self.assertNotIn(0, counts, "a fault did not happen")
            for _ in range(2):
                del self.sent[:]
                again = self.task(*words).rows
                self.assertEqual({"already imported"}, {row["Status"] for row in again})
                self.assertEqual([row["Image"] for row in first], [row["Image"] for row in again])
                self.assertEqual([], self.changes())
        self.require_each_once({row["Image"] for row in first})

    def require_each_once(self, expected):
        """Check the images with another client."""
        found = [image for image in self.sdk().image.images() if image.name in self.names]
        self.assertEqual(expected, {image.id for image in found})
        self.assertEqual(IMAGES, len(found))
        self.assertEqual({"active"}, {image.status for image in found})
        self.assertEqual([], self.staged("image-imports", self.mark, "DFW"))
