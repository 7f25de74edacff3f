# SPDX-License-Identifier: Apache-2.0
"""Fewer requests to a source of which each read costs a round trip."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future

from rackspace_imagetasks.bytesource import ByteSource, SourceView
from rackspace_imagetasks.units import MIB, divide_up

BLOCK = MIB
"""The unit in which the source is read."""
_KEPT = 16


class BlockCache(SourceView):
    """A source that is read in whole blocks, of which the last ones are kept.

    Blocks next to each other are read at once. A block that two threads need at the same time is
    read by one of them.
    """

    def __init__(self, source: ByteSource) -> None:
        super().__init__(source)
        self._blocks: OrderedDict[int, Future[bytes]] = OrderedDict()  # the last used one last
        self._lock = threading.Lock()

    def _read(self, offset: int, length: int) -> bytes:
        first = offset // BLOCK
        with self._lock:
            blocks, missing = self._take(range(first, divide_up(offset + length, BLOCK)))
        for run in _runs(missing):
            self._load(run, [blocks[number - first] for number in run])
        pieces = []
        for number, block in enumerate(blocks, first):
            start, end = offset - number * BLOCK, offset + length - number * BLOCK
            pieces.append(memoryview(block.result())[max(0, start) : end])
        return b"".join(pieces)

    def _take(self, numbers: range) -> tuple[list[Future[bytes]], list[int]]:
        """Return the blocks, and the numbers of those that the caller must load."""
        missing = [number for number in numbers if number not in self._blocks]
        for number in numbers:
            if number not in self._blocks:
                self._blocks[number] = Future()
            self._blocks.move_to_end(number)
        blocks = [self._blocks[number] for number in numbers]
        while len(self._blocks) > _KEPT:
            self._blocks.popitem(last=False)
        return blocks, missing

    def _load(self, run: range, blocks: list[Future[bytes]]) -> None:
        """Read adjacent blocks; a failure is raised where they are used, and not kept."""
        start = run[0] * BLOCK
        try:
            content = self._source.read_at(start, min(len(run) * BLOCK, self.size - start))
        except BaseException as error:  # noqa: BLE001 - raised by `result`
            with self._lock:
                for number, block in zip(run, blocks, strict=True):
                    if self._blocks.get(number) is block:
                        del self._blocks[number]
            for block in blocks:
                block.set_exception(error)
        else:
            for place, block in enumerate(blocks):
                block.set_result(content[place * BLOCK : (place + 1) * BLOCK])


def _runs(numbers: list[int]) -> Iterator[range]:
    """Yield ascending numbers as ranges of adjacent ones."""
    while numbers:
        first = numbers[0]
        count = next((n for n, number in enumerate(numbers) if number != first + n), len(numbers))
        yield range(first, first + count)
        numbers = numbers[count:]
