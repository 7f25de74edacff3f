# SPDX-License-Identifier: Apache-2.0
import contextlib
import threading
import unittest

from rackspace_imagetasks.exceptions import Cancelled, ServiceError
from rackspace_imagetasks.objects.heartbeat import in_use, is_in_use, marked_object
from rackspace_imagetasks.objects.names import ObjectName
from tests.unit.objects import faults
from tests.unit.objects.base import NAME, SwiftCase


class HeartbeatTest(SwiftCase):
    def setUp(self):
        super().setUp()
        self.swift.put("images", "a", b"content", X_Delete_At="1")

    def markers(self):
        return [name for name in self.swift.names("images") if marked_object(name) == "a"]

    def test_marker(self):
        """A marker that expires exists as long as the object is in use."""
        with in_use(self.store, NAME):
            (marker,) = self.markers()
            headers = self.swift.containers["images"][marker].headers
            self.assertEqual({"X-Delete-After": "1200"}, headers)
        self.assertEqual(["a"], self.swift.names("images"))

    def test_the_object_itself(self):
        """Neither the content nor the properties of the object change."""
        before = vars(self.swift.containers["images"]["a"]).copy()
        with in_use(self.store, NAME), in_use(self.store, NAME):
            self.assertEqual(2, len(self.markers()))
        self.assertEqual(before, vars(self.swift.containers["images"]["a"]))

    def test_named_users(self):
        """The marker of a run that was killed is taken over by the next run of the same."""
        self.assertFalse(is_in_use(self.store, NAME))
        with contextlib.suppress(Cancelled), in_use(self.store, NAME, user="to ORD"):
            raise Cancelled("Stopped.")
        with in_use(self.store, NAME, user="to IAD"):
            self.assertEqual(2, len(self.markers()))
        self.assertTrue(is_in_use(self.store, NAME))
        with in_use(self.store, NAME, user="to ORD"):
            self.assertEqual(1, len(self.markers()))
        self.assertFalse(is_in_use(self.store, NAME))
        self.assertFalse(is_in_use(self.store, ObjectName("nowhere", "a")))

    def test_expired_markers(self):
        """A marker that is listed although it has expired shows nothing."""
        with in_use(self.store, NAME):
            self.swift.fault(faults.status(404), "HEAD", "in-use")
            self.assertFalse(is_in_use(self.store, NAME))
            self.assertTrue(is_in_use(self.store, NAME))

    def test_repeated(self):
        """The marker is written again every five minutes, until the end and not after it."""
        waits, again, ended = [], threading.Event(), threading.Event()

        def wait(seconds):
            waits.append(seconds)
            if len(waits) == 3:
                again.set()
                ended.wait(30)

        with in_use(self.store, NAME, wait):
            again.wait(30)
            (marker,) = self.markers()
            self.assertEqual(3, len(self.swift.requests("PUT", marker)))
        ended.set()
        self.assertEqual([300.0] * 3, waits)
        self.assertEqual([], self.markers())

    def test_no_right_to_write(self):
        """A user who may only read is not disturbed."""
        self.swift.fault(faults.status(403), "PUT", "in-use")
        self.swift.fault(faults.status(403), "DELETE", "in-use")
        with in_use(self.store, NAME):
            pass
        self.assertEqual([0, 0], [fault.times for fault in self.swift.faults])

    def test_after_a_failure(self):
        """The marker is deleted after a failure, and left to expire after a cancellation."""
        for error, left in (
            (ServiceError, 0),
            (OSError, 0),
            (Cancelled, 1),
            (KeyboardInterrupt, 2),
        ):
            with self.assertRaisesContext(error), in_use(self.store, NAME):
                raise error("x")
            self.assertEqual(left, len(self.markers()), error)

    def assertRaisesContext(self, error):  # noqa: N802
        return unittest.TestCase.assertRaises(self, error)

    def test_stopped(self):
        """After a stop, no request is sent."""
        stop = threading.Event()
        with in_use(self.store.until(stop), NAME):
            stop.set()
        self.assertEqual([], self.swift.requests("DELETE"))
