# SPDX-License-Identifier: Apache-2.0
"""Parts of a source that several readers need, each of which is received once for all of them.

A reader takes the chunks of a part at its own pace. What the fastest has taken and the slowest has
not is kept, up to a limit; then the fastest waits. So that no request waits that is half sent, a
part is received only when all readers have come near to it: see `SharedRead`.

A part that a reader needs again, or later than the others, is received for that reader alone.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, Self, TypeVar

from rackspace_imagetasks.exceptions import Cancelled
from rackspace_imagetasks.threads import daemon_thread, own_copy
from rackspace_imagetasks.units import MIB

LOG = logging.getLogger(__name__)

_BUFFER = 32 * MIB  # bytes of all parts that some readers have taken and others have not
_POLL = 0.1  # seconds


class Checks(Protocol):
    """What tells that work is cancelled."""

    def check(self) -> None:
        """Raise `Cancelled` if the work is cancelled."""


class Service(Protocol):
    """What parts are received from."""

    @property
    def cancellation(self) -> Checks:
        """What ends its requests."""

    def until(self, abort: threading.Event) -> Self:
        """Return the same service with requests that end when `abort` is set."""


S = TypeVar("S", bound=Service)


class PartReader(Protocol):
    """One reader of a source's parts, which are numbered from 0; safe to use from threads."""

    def wait_for(self, number: int, service: Service) -> None:
        """Wait until part `number` can be received without a long pause.

        :raises Cancelled: if the requests of the service are cancelled.
        """

    def skip(self, number: int) -> None:
        """Do without part `number`."""

    def chunks(
        self, number: int, service: S, receive: Callable[[S], Iterator[bytes]]
    ) -> Iterator[bytes]:
        """Yield the chunks of part `number`.

        :param receive: receives the part, and raises an error before the last chunk if it is wrong.
        """

    def end(self) -> None:
        """Do without all parts; those that are needed even so are received for this reader."""


class OnlyReader:
    """The reader of a source that nobody else reads."""

    def wait_for(self, number: int, service: Service) -> None:
        """Do nothing: every part can be received at once."""

    def skip(self, number: int) -> None:
        """Do nothing."""

    def chunks(
        self,
        number: int,  # noqa: ARG002
        service: S,
        receive: Callable[[S], Iterator[bytes]],
    ) -> Iterator[bytes]:
        """Receive the part."""
        return receive(service)

    def end(self) -> None:
        """Do nothing."""


ONLY_READER: PartReader = OnlyReader()


class SharedRead:
    """The read of a source for several readers, all of which must run at the same time.

    Reader number `r` reads parts in ascending order, one or several at a time. The part with the
    lowest number that it has not finished is among those. Part `n` is received when all readers
    have finished all parts up to `n - width`. If `width` is not more than the number of parts that
    each reader reads at a time, each of them takes part `n` soon, so nobody waits for it in vain.

    :param in_order: for each reader, whether it reads one part at a time and strictly in order.
    :param width: number of parts that each of the other readers reads at a time, at least.
    :param buffer: the most bytes to keep.
    :ivar readers: one for each element of `in_order`.
    :ivar peak: the most bytes that were kept.
    """

    def __init__(self, in_order: Sequence[bool], width: int, buffer: int = _BUFFER) -> None:
        self.readers = [_SharedReader(self, is_in_order) for is_in_order in in_order]
        self.peak = 0
        self._width = 1 if any(in_order) else width
        self._limit = buffer // self._width
        self._changed = threading.Condition()
        self._abort = threading.Event()
        self._parts: dict[int, _Part] = {}

    def close(self) -> None:
        """End all reading."""
        self._abort.set()
        for reader in self.readers:
            reader.end()

    def wait_for(self, reader: "_SharedReader", number: int, checks: Checks) -> None:
        """Wait until a part is being received, or may be."""
        with self._changed:
            while not self._may_receive(reader, number):
                self._wait(checks)

    def join(
        self,
        reader: "_SharedReader",
        number: int,
        service: S,
        receive: Callable[[S], Iterator[bytes]],
    ) -> "_Share | None":
        """Return the reader's share of a part; None if the reader must receive it by itself."""
        with self._changed:
            if reader.in_order and not self._begin_in_order(reader, number):
                return None
            self.wait_for(reader, number, service.cancellation)
            if not reader.needs(number):
                return None
            if number not in self._parts:
                self._receive(number, service.until(self._abort), receive)
            share = self._parts[number].shares.get(reader)
            if share is None or share.is_taken:
                self._finish(reader, number)
                return None
            share.is_taken = True
            return share

    def take(self, share: "_Share", checks: Checks) -> Iterator[bytes]:
        """Yield the chunks of a share."""
        part = share.part
        try:
            while chunk := self._next(share, checks):
                yield chunk
            if part.failure:
                raise own_copy(part.failure) from part.failure
        finally:
            with self._changed:
                if part.shares.get(share.reader) is share:
                    self._finish(share.reader, part.number)

    def finish(self, reader: "_SharedReader", number: int | None) -> None:
        """Have a reader do without a part, or without all of them."""
        with self._changed:
            if number is not None:
                self._finish(reader, number)
                return
            reader.has_ended = True
            for part in self._parts.values():
                part.shares.pop(reader, None)
            self._changed.notify_all()

    def _begin_in_order(self, reader: "_SharedReader", number: int) -> bool:
        """Finish all parts before one; return False if the reader has jumped over some.

        The others need those first, which may take longer than a request can wait.
        """
        if number <= reader.lowest:
            return True
        for skipped in range(reader.lowest, number + 1):
            self._finish(reader, skipped)
        return False

    def _may_receive(self, reader: "_SharedReader", number: int) -> bool:
        if not reader.needs(number) or number in self._parts:
            return True
        first = number - self._width + 1
        return all(each.has_ended or each.lowest >= first for each in self.readers)

    def _receive(self, number: int, service: S, receive: Callable[[S], Iterator[bytes]]) -> None:
        """Begin to receive a part for all readers that still need it."""
        part = self._parts[number] = _Part(number)
        part.shares = {each: _Share(each, part) for each in self.readers if each.needs(number)}

        def run() -> None:
            try:
                for chunk in receive(service):
                    if not self._give(part, chunk):
                        return
            except BaseException as error:  # noqa: BLE001 - raised again in the readers' threads
                part.failure = error
            with self._changed:
                part.is_complete = True
                self._changed.notify_all()

        daemon_thread(run).start()

    def _give(self, part: "_Part", chunk: bytes) -> bool:
        """Give a chunk to all who need it, once there is room; return whether anybody does."""
        with self._changed:
            while part.kept and part.kept + len(chunk) > self._limit:
                self._changed.wait()
            for share in part.shares.values():
                share.chunks.append(chunk)
                share.kept += len(chunk)
            self.peak = max(self.peak, sum(each.kept for each in self._parts.values()))
            self._changed.notify_all()
            return bool(part.shares)

    def _next(self, share: "_Share", checks: Checks) -> bytes:
        """Return the next chunk of a share; empty at its end."""
        part = share.part
        with self._changed:
            while part.shares.get(share.reader) is share and not (share.chunks or part.is_complete):
                self._wait(checks)
            if part.shares.get(share.reader) is not share:
                raise Cancelled("The transfer was stopped.")
            if not share.chunks:
                return b""
            chunk = share.chunks.popleft()
            share.kept -= len(chunk)
            self._changed.notify_all()
            return chunk

    def _finish(self, reader: "_SharedReader", number: int) -> None:
        if number >= reader.lowest:
            reader.finished.add(number)
        while reader.lowest in reader.finished:
            reader.finished.remove(reader.lowest)
            reader.lowest += 1
        if part := self._parts.get(number):
            part.shares.pop(reader, None)
        self._changed.notify_all()

    def _wait(self, checks: Checks) -> None:
        self._changed.wait(_POLL)
        checks.check()


class _SharedReader:
    """One of several readers.

    :ivar lowest: the part with the lowest number that is not finished.
    :ivar finished: the parts after that one that are finished.
    :ivar alone: how many parts were received for this reader alone.
    """

    def __init__(self, shared: SharedRead, in_order: bool) -> None:
        self.in_order = in_order
        self.lowest = 0
        self.finished: set[int] = set()
        self.has_ended = False
        self.alone = 0
        self._shared = shared

    def needs(self, number: int) -> bool:
        return not self.has_ended and number >= self.lowest and number not in self.finished

    def wait_for(self, number: int, service: Service) -> None:
        self._shared.wait_for(self, number, service.cancellation)

    def skip(self, number: int) -> None:
        self._shared.finish(self, number)

    def chunks(
        self, number: int, service: S, receive: Callable[[S], Iterator[bytes]]
    ) -> Iterator[bytes]:
        share = self._shared.join(self, number, service, receive)
        if share:
            yield from self._shared.take(share, service.cancellation)
            return
        self.alone += 1
        LOG.debug("Part %d is read again for one target", number)
        yield from receive(service)

    def end(self) -> None:
        self._shared.finish(self, None)


class _Part:
    """A part that is being received, or was.

    :ivar shares: those of the readers that have not finished it.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.shares: dict[_SharedReader, _Share] = {}
        self.is_complete = False
        self.failure: BaseException | None = None

    @property
    def kept(self) -> int:
        """The number of bytes that at least one reader has not taken."""
        return max((share.kept for share in self.shares.values()), default=0)


class _Share:
    """What a reader has not taken yet of a part."""

    def __init__(self, reader: _SharedReader, part: _Part) -> None:
        self.reader, self.part = reader, part
        self.chunks: deque[bytes] = deque()
        self.kept = 0
        self.is_taken = False
