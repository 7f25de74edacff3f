# SPDX-License-Identifier: Apache-2.0
"""`ImageTasks` from a program: progress by callback, stopped from another thread, and gone on."""

import contextlib
import threading

from rackspace_imagetasks import Cancelled, ImageTasks, SaveOptions
from rackspace_imagetasks.progress import SilentPhase
from tests.functional import processcase


class Watcher:
    """Counts what is moved, and asks another thread to stop it at a given moment."""

    def __init__(self):
        self.stop = threading.Event()
        self.stop_at = None
        self.moved = 0

    def phase(self, title, total=None):
        if self.stop_at is not None and title.startswith(self.stop_at):
            self.stop_at = None
            threading.Timer(0.02, self.stop.set).start()
        return contextlib.nullcontext(WatchedPhase(self))

    def message(self, text):
        pass


class WatchedPhase(SilentPhase):
    def __init__(self, watcher):
        self.watcher = watcher

    def advance(self, amount):
        self.watcher.moved += amount


class PythonApiTest(processcase.ProcessTestCase):
    def setUp(self):
        super().setUp()
        self.watcher = Watcher()
        self.here = self.tasks("DFW")
        self.name = f"image-{self.mark}"

    def tasks(self, region):
        return ImageTasks(self.sdk(region=region), progress=self.watcher, stop=self.watcher.stop)

    def twice(self, stop_at, job):
        """Stop the job where a phase begins; give what its second run gives."""
        self.watcher.stop_at = stop_at
        self.assertRaises(Cancelled, job)
        self.watcher.stop.clear()
        return job()

    def test_each_job_is_stopped_and_finished(self):
        """Import, transfer, export and save: Cancelled, then done, once."""
        disk = self.disk(11)
        imported = self.twice(
            "Uploading",
            lambda: self.here.plan_import_file(disk, self.name).run(),
        )
        self.assertGreater(self.watcher.moved, 11 << 20)
        there = self.tasks("ORD")
        for part in ("Exporting", "Copying", "Importing"):
            moved = self.twice(
                part,
                lambda: self.here.plan_transfer(imported.image_id, there).run(),
            )
            self.assertEqual(1, len(self.images(self.name, "ORD")))
            self.sdk(region="ORD").image.delete_image(moved.target_image_id)
        exported = self.here.plan_export(imported.image_id).run()
        file = self.tmp / "saved.vhd"
        save = SaveOptions(target=file)
        saved = self.twice(
            "Downloading", lambda: self.here.plan_save(exported.location, save).run()
        )
        self.assertEqual(exported.size, file.stat().st_size)
        self.assertEqual(exported.size, saved.size)
