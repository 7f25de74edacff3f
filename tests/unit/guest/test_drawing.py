# SPDX-License-Identifier: Apache-2.0
from oslotest import base

from rackspace_imagetasks.bytesource import Extent
from rackspace_imagetasks.guest.drawing import draw
from rackspace_imagetasks.guest.facts import DiskFacts, VolumeFacts

MIB = 1 << 20


def volume(name, start, size, content="", **others):
    return VolumeFacts(name=name, start=start, size=size, content=content, **others)


class DrawTest(base.BaseTestCase):
    def test_drawing(self):
        """Volumes, gaps and data are where they are on the disk; a logical volume has no place."""
        facts = DiskFacts(
            size=780 * MIB,
            volumes=(
                volume("partition 2", 390 * MIB, 300 * MIB, type="Linux LVM"),
                volume("partition 1", 10 * MIB, 380 * MIB, "ext4"),
                volume("logical volume vg/root", None, 100 * MIB, "XFS"),
            ),
        )
        data = [
            Extent(0, 10 * MIB),  # a cell of the upper bar has 10 MiB, one of partition 2 as well
            Extent(20 * MIB, 2 * MIB),
            Extent(30 * MIB, 9 * MIB),
            Extent(390 * MIB, 25 * MIB),
        ]
        expected = [
            "[#.-=" + "." * 35 + "##-" + "." * 36 + "]",
            "0" + " " * 72 + "780 MiB",
            "# data  = more than half  - some  . none",
            "",
            f"(no partition)                     10 MiB  [{'#' * 30}]",
            f"partition 1     ext4              380 MiB  [---{'.' * 27}]",
            f"partition 2     Linux LVM         300 MiB  [##-{'.' * 27}]",
            f"(no partition)                     90 MiB  [{'.' * 30}]",
            "vg/root         XFS               100 MiB",
        ]
        self.assertEqual(expected, draw(facts, data))

    def test_disk_without_volumes(self):
        """An empty disk is one stretch without a partition."""
        lines = draw(DiskFacts(size=MIB), [])
        self.assertEqual(f"[{'.' * 78}]", lines[0])
        self.assertEqual(f"(no partition)                      1 MiB  [{'.' * 30}]", lines[4])

    def test_width_and_length(self):
        """Many, tiny, overlapping and oversized volumes, with long names, fit the screen."""
        volumes = [volume(f"partition {n}", n, 1, "x" * 50) for n in range(1, 129)]
        volumes += [volume("partition 200", 0, 2**62), volume("x" * 200, 5, 0)]
        lines = draw(DiskFacts(size=100, volumes=tuple(volumes)), [Extent(0, 2**62)])
        self.assertLess(len(lines), 60)
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertIn("more", lines[44])
