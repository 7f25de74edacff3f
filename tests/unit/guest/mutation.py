# SPDX-License-Identifier: Apache-2.0
"""Disks with random damage in the bytes that a reader reads, and a limit to what it may read.

    ranges = read_ranges(disk, explore)
    for mutant in mutations(disk, ranges, seed=1, count=2000):
        survive(mutant, explore)

`explore` takes a byte source and reads what there is through a `Tree` or another edge of the
package. It may raise `Damaged` and other source errors. It may neither raise anything else, nor
read without end: a mutant fails the test when its budget of reads or bytes is spent.
"""

import random

from rackspace_imagetasks.bytesource import BaseSource, Extent, SourceView
from rackspace_imagetasks.exceptions import SourceError

MAX_READS = 20_000
MAX_BYTES = 64 << 20
INTERESTING = (
    0, 1, 2, 3, 4, 7, 8, 11, 12, 60, 127, 128, 255, 256, 511, 512, 1024, 4095, 4096, 32768, 32769,
    65535, 65536, 2**20, 2**31 - 1, 2**31, 2**32 - 1, 2**48 - 1, 2**63 - 1, 2**64 - 1,
)  # fmt: skip
WIDTHS = (1, 2, 4, 8)
MAX_COPY = 4096


class SparseSource(BaseSource):
    """A source of any size that consists of zeros and the given pieces, by offset."""

    def __init__(self, size, pieces, name="disk"):
        super().__init__(name, size, name)
        self._pieces = dict(pieces)

    def _read(self, offset, length):
        content = bytearray(length)
        for at, piece in self._pieces.items():
            put(content, offset, at, piece)
        return bytes(content)


class Recorder(SourceView):
    """Another source; records which parts of it are read.

    :ivar reads: one extent for each read.
    """

    def __init__(self, source):
        super().__init__(source)
        self.reads = []

    @property
    def read_bytes(self):
        return sum(length for _, length in self.reads)

    def _read(self, offset, length):
        self.reads.append(Extent(offset, length))
        return self._source.read_at(offset, length)


class Mutant(SourceView):
    """Another source with some bytes changed, which can only be read so often.

    :ivar patches: what was changed: offsets and bytes, in the order in which they were.
    """

    def __init__(self, source, max_reads=MAX_READS, max_bytes=MAX_BYTES):
        super().__init__(source)
        self.patches = []
        self.reads = self.read_bytes = 0
        self._max_reads = max_reads
        self._max_bytes = max_bytes

    def put(self, offset, content):
        self.patches.append((offset, content))

    def peek(self, offset, length):
        """Read bytes that do not count."""
        content = bytearray(self._source.read_at(offset, length))
        for at, piece in self.patches:
            put(content, offset, at, piece)
        return bytes(content)

    def _read(self, offset, length):
        self.reads += 1
        self.read_bytes += length
        assert self.reads <= self._max_reads, f"more than {self._max_reads} reads"
        assert self.read_bytes <= self._max_bytes, f"more than {self._max_bytes} bytes read"
        return self.peek(offset, length)


def put(content, start, at, piece):
    """Put a piece from offset `at` into the content from offset `start`, as far as it is there."""
    first, end = max(at, start), min(at + len(piece), start + len(content))
    if first < end:
        content[first - start : end - start] = piece[first - at : end - at]


def read_ranges(source, explore):
    """Return the parts of a source that are read by `explore`, which must not fail."""
    recorder = Recorder(source)
    explore(recorder)
    return sorted(set(recorder.reads))


def mutations(source, ranges, *, seed, count, repair=None, **budget):
    """Yield mutants of a source with one to four changes, always the same ones for a seed.

    :param ranges: extents of the bytes to change; each is as likely as the others.
    :param repair: called with a mutant, to make its checksums right; three of four mutants only.
    """
    noise = random.Random(seed)
    for _ in range(count):
        mutant = Mutant(source, **budget)
        for _ in range(noise.choice((1, 1, 1, 2, 4))):
            noise.choice(_CHANGES)(noise, mutant, ranges)
        if repair and noise.randrange(4):
            repair(mutant)
        yield mutant


def survive(mutant, explore):
    """Read a mutant; return whether that ended with a source error.

    Any other error fails the test and says how to make the mutant again.
    """
    try:
        explore(mutant)
    except SourceError:
        return True
    except BaseException as error:
        error.add_note(f"changes: {mutant.patches!r}")
        raise
    return False


def _place(noise, ranges, width=1):
    """Return a random offset, most often aligned to the width."""
    start, length = noise.choice(ranges)
    offset = start + noise.randrange(max(1, length - width + 1))
    return max(start, offset - offset % width) if noise.randrange(8) else offset


def _bit(noise, mutant, ranges):
    offset = _place(noise, ranges)
    mutant.put(offset, bytes([mutant.peek(offset, 1)[0] ^ 1 << noise.randrange(8)]))


def _number(noise, mutant, ranges):
    width = noise.choice(WIDTHS)
    number = noise.choice((noise.choice(INTERESTING), noise.getrandbits(8 * width)))
    order = noise.choice(("little", "big"))
    _put_within(mutant, _place(noise, ranges, width), number % 2 ** (8 * width), width, order)


def _nearby(noise, mutant, ranges):
    """Add a little to a number: offsets and counts that are wrong by one."""
    width, order = noise.choice(WIDTHS), noise.choice(("little", "big"))
    offset = _place(noise, ranges, width)
    if offset + width <= mutant.size:
        number = int.from_bytes(mutant.peek(offset, width), order) + noise.choice((-2, -1, 1, 2))
        _put_within(mutant, offset, number % 2 ** (8 * width), width, order)


def _copy(noise, mutant, ranges):
    """Copy one structure over another: references that form circles, the wrong kind of block."""
    start, length = noise.choice(ranges)
    target, room = noise.choice(ranges)
    mutant.put(target, mutant.peek(start, min(length, room, MAX_COPY)))


def _zero(noise, mutant, ranges):
    start, length = noise.choice(ranges)
    size = min(length, noise.choice((4, 16, 512, MAX_COPY)))
    mutant.put(start + noise.randrange(length - size + 1), bytes(size))


def _put_within(mutant, offset, number, width, order):
    mutant.put(offset, number.to_bytes(width, order)[: mutant.size - offset])


_CHANGES = (_bit, _number, _number, _nearby, _nearby, _copy, _zero)
