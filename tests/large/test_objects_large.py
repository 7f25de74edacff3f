# SPDX-License-Identifier: Apache-2.0
"""What one PUT cannot hold."""

from devcloud.tests import vhdfiles
from tests.functional import objectcase
from tests.functional.objectcase import MIB

GIB = 2**30
SIZE = 6 * GIB
LARGEST_OBJECT = 5 * 10**9  # what the service takes in one PUT; Swift's own limit is 5 GiB + 2


class LargeTest(objectcase.ObjectCase):
    segment_size = GIB

    def test_six_gib(self):
        """A sparse VHD of 6 GiB goes up and comes down, in no object over 5 GB, and sparse."""
        path, saved = self.tmp / "disk.vhd", self.tmp / "saved.vhd"
        end = b"last" + vhdfiles.footer(SIZE, 2)
        with path.open("wb") as file:
            file.write(b"first")
            file.seek(SIZE - 4)
            file.write(end)
        self.send(path)
        (name,), segments = self.held()
        self.assertEqual(7, segments)
        sent = [request.received for request in self.requests("PUT", "/slo/", status=201)]
        self.assertEqual(path.stat().st_size, sum(sent))
        self.assertLess(max(sent), LARGEST_OBJECT)
        self.save(name, saved, "--delete-object")
        self.assertEqual(([], 0), self.held())
        self.assertLess(saved.stat().st_blocks * 512, 10 * MIB)
        self.assertEqual(path.stat().st_size, saved.stat().st_size)
        with saved.open("rb") as file:
            self.assertEqual(b"first", file.read(5))
            file.seek(SIZE - 4)
            self.assertEqual(end, file.read())
