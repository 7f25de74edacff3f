# SPDX-License-Identifier: Apache-2.0
import json
import logging
import threading

import fixtures
import openstack.connection
import requests_mock
from keystoneauth1.adapter import Adapter
from keystoneauth1.exceptions import ConnectFailure
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token

from rackspace_imagetasks.exceptions import (
    AccessDenied,
    NotFound,
    QuotaExceeded,
    Refused,
    ServiceError,
)
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.threads import in_parallel
from tests.unit.objects import faults
from tests.unit.objects.base import NAME, SwiftCase
from tests.unit.objects.swift import Tokens


def listing(names):
    """Return a page of objects."""
    facts = {"bytes": 0, "hash": "", "last_modified": "", "content_type": ""}
    return json.dumps([{"name": name, **facts} for name in names]).encode()


class ShortLived(Tokens):
    """A user whose token expires while the identity service fails three times."""

    asked = 0

    def get_token(self, session, **kwargs):
        self.asked += 1
        if 1 < self.asked < 5:
            self.issued = 2
            raise ConnectFailure("connection refused")
        return super().get_token(session, **kwargs)


class TestContainers(SwiftCase):
    def test_create_and_look(self):
        """Creating a container twice is harmless; its properties are returned."""
        self.assertIsNone(self.store.head_container("a b"))
        self.store.create_container("a b")
        self.store.create_container("a b")
        self.store.put_object(ObjectName("a b", "x"), b"four")
        self.assertEqual(("a b", 1, 4), self.store.head_container("a b"))

    def test_list_containers(self):
        """All pages of containers are listed."""
        self.swift.page = 2
        for name in ("c", "a", "b"):
            self.store.create_container(name)
        self.assertEqual(["a", "b", "c"], [c.name for c in self.store.list_containers()])

    def test_list_objects(self):
        """All pages of a prefix are listed, and no other objects."""
        self.swift.page = 2
        for name in ("p/é", "p/a", "p/b c", "q", "p"):
            self.swift.put("images", name, name.encode())
        found = list(self.store.list_objects("images", "p/"))
        self.assertEqual(["p/a", "p/b c", "p/é"], [entry.name for entry in found])
        self.assertEqual([3, 5, 4], [entry.bytes for entry in found])

    def test_listing_breaks_off(self):
        """A listing that breaks off is requested again."""
        self.swift.put("images", "a", b"")
        self.swift.fault(faults.cut(10), "GET")
        self.assertEqual(["a"], [entry.name for entry in self.store.list_objects("images")])

    def test_list_of_nothing(self):
        """A container that does not exist is not treated as empty."""
        self.assertRaises(NotFound, list, self.store.list_objects("images"))
        self.swift.fault(faults.status(204), "GET")
        self.assertEqual([], list(self.store.list_objects("images")))

    def test_nonsense(self):
        """A listing that is not valid is reported as an error."""
        for body in (
            b"",
            b"{}",
            b"[1]",
            b'[{"x": 1}]',
            b"<html>",
            b"[" * 100_000,
            b'[{"name": "a", "bytes": "many"}]',
            b'[{"name": "a", "bytes": 1e400}]',
            b'[{"name": "a", "bytes": null}]',
        ):
            self.swift.fault(faults.status(200, body), "GET")
            self.assertRaises(ServiceError, list, self.store.list_objects("images"))

    def test_listing_without_end(self):
        """A listing whose pages repeat or are not sorted is an error."""
        for pages in (("ab", "ab", "ab"), ("ab", "cd", "ab", "cd"), ("ba",), ("aa",), ("ab", "bc")):
            for names in pages:
                self.swift.fault(faults.status(200, listing(names)), "GET")
            error = self.assertRaises(ServiceError, list, self.store.list_objects("images"))
            self.assertIn("not sorted", str(error))
            self.swift.faults.clear()

    def test_endless_listing(self):
        """A sorted listing that does not end is an error; one of the largest size is not."""
        for limit, value in (("_MOST_PAGES", 3), ("_MOST_ENTRIES", 6)):
            with fixtures.MonkeyPatch(f"rackspace_imagetasks.objects.store.{limit}", value):
                for pages, fails in (("ab cd ef", False), ("ab cd ef gh", True)):
                    self.swift.put("images", "a", b"")
                    for names in pages.split():
                        self.swift.fault(faults.status(200, listing(names)), "GET")
                    self.swift.fault(faults.status(204), "GET")
                    if fails:
                        error = self.assertRaises(
                            ServiceError, list, self.store.list_objects("images")
                        )
                        self.assertIn("is an endless listing", str(error))
                        self.swift.faults.clear()
                    else:
                        self.assertEqual(6, len(list(self.store.list_objects("images"))))
                        self.assertEqual({0}, {fault.times for fault in self.swift.faults})

    def test_the_largest_page(self):
        """A page of as many names as Swift lists, all of the greatest length, is accepted."""
        names = [f"{number:06d}{'é' * 509}" for number in range(10_000)]
        self.swift.fault(faults.status(200, listing(names)), "GET")
        self.swift.fault(faults.status(204), "GET")
        found = [entry.name for entry in self.store.list_objects("images")]
        self.assertEqual([0, 0], [fault.times for fault in self.swift.faults])
        self.assertEqual(names, found)


class TestObjects(SwiftCase):
    def test_size_unknown(self):
        """An object without a size is not treated as empty."""
        self.swift.put("images", "a", b"content")
        for length in ("", "many", "-1", "9" * 30):
            self.swift.fault(faults.status(200, Content_Length=length), "HEAD")
            error = self.assertRaises(ServiceError, self.store.head_object, NAME)
            self.assertIn("size", str(error))


class TestNames(SwiftCase):
    def setUp(self):
        super().setUp()
        self.swift.put("images", "base.vhd", b"content")

    def test_no_container(self):
        """A container name that is not valid is refused without a request."""
        store = self.store
        for name in ("images/base.vhd", "/", "", "é" * 129, "c" * 257, "\udcff"):
            for act in (
                store.create_container,
                store.head_container,
                lambda name: list(store.list_objects(name)),
                lambda name: store.head_object(ObjectName(name, "a")),
                lambda name: store.put_object(ObjectName(name, "a"), b""),
                lambda name: store.post_object(ObjectName(name, "a"), {}),
                lambda name: store.delete_object(ObjectName(name, "a")),
                lambda name: store.get_manifest(ObjectName(name, "a")),
                lambda name: list(store.get_range(ObjectName(name, "a"), 0, 1)),
            ):
                error = self.assertRaises(Refused, act, name)
                self.assertTrue(str(error).isprintable())
        self.assertEqual([], self.swift.log)
        self.store.create_container("é" * 128)

    def test_no_object(self):
        """An object name that is not valid is refused without a request."""
        for name in ("", "a\udcff"):
            self.assertRaises(Refused, self.store.delete_object, ObjectName("images", name))
        self.assertEqual([], self.swift.log)


class TestErrors(SwiftCase):
    def test_control_characters(self):
        """Terminal escapes in names and responses are not printed."""
        self.swift.fault(faults.status(418, b"\x1b[31mred", Content_Type="text/plain"), "PUT")
        error = self.assertRaises(
            ServiceError, self.store.put_object, ObjectName("c\x1b", "o\n"), b""
        )
        self.assertTrue(str(error).isprintable())
        self.assertIn("red", str(error))
        self.assertEqual(418, error.status)

    def test_classes(self):
        """Each final status has the exception for its meaning."""
        for status, kind in (
            (403, AccessDenied),
            (404, NotFound),
            (413, QuotaExceeded),
            (507, QuotaExceeded),
            (400, ServiceError),
            (301, ServiceError),
        ):
            self.swift.fault(faults.status(status), "PUT")
            self.assertRaises(kind, self.store.create_container, "c")

    def test_redirection(self):
        """Redirects are not followed: neither token nor data are sent."""
        self.swift.fault(faults.status(301, Location=f"{self.swift.url}/v1/AUTH_other/c"), "PUT")
        self.assertRaises(ServiceError, self.store.create_container, "c")
        self.assertEqual(1, len(self.swift.log))

    def test_refusal_that_breaks_off(self):
        """A status counts even if its body breaks off."""

        def refuse(handler):
            handler.close_connection = True
            return faults.status(403, b"half", Content_Length="100")(handler)

        self.swift.fault(refuse, "GET", "images")
        self.assertRaises(AccessDenied, list, self.store.list_objects("images"))
        self.assertEqual(1, len(self.swift.log))

    def test_identity_service_away(self):
        """If a token expires while no new one is available, the request waits for one."""
        adapter = self.swift.adapter()
        adapter.session.auth = ShortLived(adapter.session.auth.get_endpoint(None))
        self.swift.tokens = {"token-2"}
        ObjectStore(adapter, sleep=self.waits.append).create_container("c")
        self.assertEqual(["c"], list(self.swift.containers))
        self.assertGreater(sum(self.waits), 0.7)  # of two times

    def test_token_not_logged(self):
        """The token is never logged."""
        logger = self.useFixture(fixtures.FakeLogger(level=logging.DEBUG))
        self.swift.fault(faults.status(401), "PUT")
        self.swift.tokens.add("token-2")
        self.store.create_container("c")
        self.assertNotIn("token-", logger.output)

    def test_no_region(self):
        """A cloud without an object store in the region is reported as an error."""
        store = ObjectStore(Adapter(Session(Token(None, "t")), service_type="object-store"))
        self.assertRaises(NotFound, store.head_container, "c")


class TestAdapters(SwiftCase):
    def test_connections_are_kept(self):
        """One connection per thread is reused, without warnings."""
        self.assert_connections_are_kept()

    def test_connections_are_kept_behind_a_proxy(self):
        """Connections are also reused through a proxy that was used before."""
        adapter = self.swift.adapter()
        adapter.session.session.proxies = {"http": self.swift.url}
        adapter.get("")
        self.store = ObjectStore(adapter)
        self.assert_connections_are_kept()

    def assert_connections_are_kept(self):
        logger = self.useFixture(fixtures.FakeLogger(level=logging.DEBUG))
        together = threading.Barrier(16, timeout=30)
        self.swift.fault(lambda handler: together.wait() < 0, "HEAD", times=48)
        for _ in range(3):
            in_parallel(self.store.head_container, ["c"] * 16, 16, threading.Event())
        self.assertEqual(16, logger.output.count("Starting new HTTP connection"))
        self.assertNotIn("pool is full", logger.output)

    def test_openstacksdk(self):
        """The proxy of openstacksdk works as an adapter, with the endpoint that it found."""
        connection = openstack.connection.Connection(
            session=Session(Token(self.swift.url + "/v1/AUTH_test", "token-1")),
            object_store_endpoint_override=self.swift.url + "/v1/AUTH_test",
            region_name="DFW",
        )
        self.addCleanup(connection.close)
        store = ObjectStore(connection.object_store)
        store.create_container("c")
        self.assertEqual(["c"], list(self.swift.containers))

    def test_endpoint_with_project(self):
        """The project ID in an endpoint override is filled in by keystoneauth."""
        with requests_mock.Mocker() as mocker:
            mocker.head("https://swift/v1/AUTH_p1/c", status_code=204)
            session = Session(Token("https://unused", "t"))
            session.get_project_id = lambda auth=None: "p1"
            adapter = Adapter(session, endpoint_override="https://swift/v1/AUTH_%(project_id)s")
            self.assertIsNotNone(ObjectStore(adapter).head_container("c"))
