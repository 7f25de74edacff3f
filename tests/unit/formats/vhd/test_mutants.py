# SPDX-License-Identifier: Apache-2.0
"""VHDs with random changes: the disk in one that is valid is the one that libvhdi reads."""

import os
import random

from oslotest import base

from rackspace_imagetasks.exceptions import VhdError
from rackspace_imagetasks.formats.vhd import VhdFile, check, open_disk
from tests.unit.formats.vhd import oracles
from tests.unit.formats.vhd.mutants import mutant

VALID = int(os.environ.get("RACKSPACE_IMAGETASKS_MUTANTS", "120"))


class MutantsTest(base.BaseTestCase):
    def test_valid_mutants(self):
        """Each mutant without errors reads the same through libvhdi, or is refused as uncertain."""
        noise = random.Random(4)
        valid = explained = 0
        while valid < VALID:
            image = mutant(noise)
            file = VhdFile(image)
            if check(file).errors:
                continue
            valid += 1
            explained += not self.reads_the_same(file, image)
        self.assertLess(explained, valid // 2)

    def reads_the_same(self, file, image):
        """Compare the disk with that by libvhdi, which takes the original size for the size."""
        disk = open_disk(file)
        try:
            ours = oracles.digest(disk.size, disk.read_at)
        except VhdError as error:
            self.assertIn("is uncertain", str(error))
            return False
        # libvhdi does not read a footer of 511 bytes.
        if file.footers.is_short or has_partial_bytes(file, image):
            return False
        image.footer(40, 8, disk.size)
        content = image.peek(0, image.size)
        self.assertEqual(oracles.libvhdi_digest_of(content, disk.size), ours, image.changes)
        return True


def has_partial_bytes(file, image):
    """Whether a bitmap has a byte that is neither 0x00 nor 0xff.

    In such a byte libvhdi takes sectors for present that follow a present one and are absent.
    """
    sectors = file.table if file.footer.has_header else ()
    bitmaps = (image.peek(sector * 512, 512) for sector in sectors if sector != 0xFFFFFFFF)
    return any(set(bitmap) - {0x00, 0xFF} for bitmap in bitmaps)
