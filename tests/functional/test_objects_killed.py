# SPDX-License-Identifier: Apache-2.0
"""After kill -9 at any moment, the same command transfers only what is missing."""

import filecmp
import itertools
import random
import time

from testtools.content import text_content

from devcloud.tests import vhdfiles
from tests.functional import objectcase
from tests.functional.objectcase import MIB, noise

GIB = 2**30
_PATIENCE = 60.0  # seconds


class KilledCase(objectcase.ObjectCase):
    def disk(self, size):
        """Write a fixed VHD of which no two segments are equal, faster than from noise alone."""
        path = self.tmp / "disk.vhd"
        block = noise(4 * MIB)
        with path.open("wb") as file:
            for number in range(size // len(block)):
                file.write(number.to_bytes(8) + block[8:])
            file.write(vhdfiles.footer(size, 2))
        return path

    def sending(self, path, *words):
        """Start importing a file."""
        return self.process(
            *("image", "task", "import", "--file", path, "--no-convert"),
            *("--name", "x", "--container", self.place, *words),
        )

    def saving(self, name, path, *words):
        """Start saving an object."""
        return self.process(
            *("image", "task", "save", f"{self.place}/{name}", "--file", path, *words)
        )

    def kill(self, process, ready):
        """Kill a process as soon as `ready` returns True; return False if it has ended before."""
        deadline = time.monotonic() + _PATIENCE
        while process.poll() is None and not ready():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        process.kill()
        process.communicate()
        return process.returncode < 0

    def finish(self, process):
        """Wait for a process to succeed."""
        _, stderr = process.communicate(timeout=_PATIENCE)
        self.assertEqual(0, process.returncode, stderr)

    def written(self):
        """Return how often each segment was written."""
        names = [request.path for request in self.requests("PUT", "/slo/", status=201)]
        return {name: names.count(name) for name in names}


class OneGibTest(KilledCase):
    """One GiB in segments of the default size."""

    segment_size = 128 * MIB

    def test_up_and_down(self):
        """What arrived before the kill is not transferred again, in either direction."""
        path = self.disk(GIB)
        self.assertTrue(self.kill(self.sending(path), lambda: len(self.written()) >= 2))
        before = len(self.written())
        self.finish(self.sending(path))
        self.assertEqual([1] * 9, list(self.written().values()))
        self.assertGreaterEqual(before, 2)
        (name,), segments = self.held()
        self.assertEqual(9, segments)

        saved = self.tmp / "saved.vhd"
        part = self.tmp / "saved.vhd.part"
        self.begin()
        killed = self.kill(
            self.saving(name, saved), lambda: part.exists() and part.stat().st_blocks > 2**20
        )
        self.assertTrue(killed)
        self.assertFalse(saved.exists())
        time.sleep(1)  # until the server has noticed, and logged what it sent in vain
        missing = path.stat().st_size - self.right(path, part)
        self.begin()
        self.finish(self.saving(name, saved))
        fetched = sum(request.sent for request in self.requests("GET", "/slo/"))
        self.assertLessEqual(missing, fetched)
        self.assertLessEqual(fetched, missing + 9 * MIB)  # the last chunk of each is not trusted
        self.assertTrue(filecmp.cmp(path, saved, shallow=False))

    def right(self, path, part):
        """Return how many bytes at the start of each segment of `part` equal those of `path`."""
        right = 0
        with path.open("rb") as whole, part.open("rb") as partial:
            for _ in range(0, path.stat().st_size, self.segment_size):
                pieces = (file.read(self.segment_size) for file in (whole, partial))
                blocks = [[p[at : at + 65536] for at in range(0, len(p), 65536)] for p in pieces]
                same = itertools.takewhile(
                    lambda pair: pair[0] == pair[1], zip(*blocks, strict=True)
                )
                right += sum(len(block) for block, _ in same)
        return right


class TenKillsTest(KilledCase):
    def test_ten_random_moments(self):
        """After five kills during upload and download each, all is complete, each segment once."""
        seed = random.SystemRandom().getrandbits(32)
        self.addDetail("seed", text_content(str(seed)))
        chance = random.Random(seed)
        path, saved = self.disk(32 * MIB), self.tmp / "saved.vhd"
        for _ in range(5):
            self.kill(self.sending(path, "--limit-rate", "40MiB"), self.at_random(chance))
        self.finish(self.sending(path))
        self.assertEqual([1] * 33, sorted(self.written().values()))
        (name,), _ = self.held()
        for _ in range(5):
            self.kill(self.saving(name, saved, "--limit-rate", "40MiB"), self.at_random(chance))
        self.finish(self.saving(name, saved, "--overwrite"))
        self.assertTrue(filecmp.cmp(path, saved, shallow=False))

    def at_random(self, chance):
        """Return a condition: some more requests than now, and some milliseconds."""
        mark = self.log.mark() + chance.randrange(1, 4000)
        delay = chance.random() * 0.1

        def ready():
            if self.log.mark() < mark:
                return False
            time.sleep(delay)
            return True

        return ready
