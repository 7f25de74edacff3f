# SPDX-License-Identifier: Apache-2.0
import contextlib
import random
import tempfile
import threading
from pathlib import Path

from oslotest import base

from rackspace_imagetasks.objects.data_transfer import DataTransfer, TransferOptions
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.objects.target import Written
from rackspace_imagetasks.objects.upload import upload
from rackspace_imagetasks.progress import SILENT, SilentPhase
from tests.unit.objects.swift import Swift

MIB = 1024**2
NAME = ObjectName("images", "a")


def noise(size: int, seed: int = 1) -> bytes:
    """Return bytes of which no two ranges are equal."""
    return random.Random(seed).randbytes(size)


class Ledger:
    """Progress that records the sum of each phase, and the messages."""

    def __init__(self) -> None:
        self.sums: dict[str, int] = {}
        self.messages: list[str] = []
        self._lock = threading.Lock()

    def phase(
        self, title: str, total: int | None = None
    ) -> "contextlib.AbstractContextManager[Entry]":
        self.sums[title] = 0
        return contextlib.nullcontext(Entry(self, title))

    def message(self, text: str) -> None:
        self.messages.append(text)

    def add(self, title: str, amount: int) -> None:
        with self._lock:
            self.sums[title] += amount


class Entry(SilentPhase):
    def __init__(self, ledger: Ledger, title: str) -> None:
        self._ledger = ledger
        self._title = title

    def advance(self, amount: int) -> None:
        self._ledger.add(self._title, amount)


class SwiftCase(base.BaseTestCase):
    """A test against an in-memory Swift, with waits that take no time."""

    def setUp(self):
        super().setUp()
        self.swift = Swift()
        self.addCleanup(self.swift.close)
        self.waits: list[float] = []
        self.store = self.new_store()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = Path(directory.name)

    def new_store(self, **options) -> ObjectStore:
        options.setdefault("sleep", self.waits.append)
        return ObjectStore(self.swift.adapter(), **options)

    def transfer(self, progress=SILENT, stop=None, **options) -> DataTransfer:
        """Return a transfer whose waits take no time."""
        return DataTransfer(TransferOptions(**options), progress, stop, sleep=self.waits.append)

    def upload(
        self,
        source,
        name=NAME,
        *,
        store=None,
        segment_size=None,
        expire_after=None,
        has_container=False,
        **running,
    ) -> Written:
        return upload(
            store or self.store,
            source,
            name,
            self.transfer(**running),
            segment_size=segment_size,
            expire_after=expire_after,
            has_container=has_container,
        )

    def file(self, content: bytes, name: str = "disk.vhd") -> Path:
        path = self.dir / name
        path.write_bytes(content)
        return path
