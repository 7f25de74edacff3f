# SPDX-License-Identifier: Apache-2.0
"""Temporary URLs: the digest, the key that is used or set, and the secrecy of the URL."""

import json
import pickle
import threading
from email.utils import formatdate
from urllib.parse import parse_qs, quote, unquote, urlsplit

from swiftclient.utils import generate_temp_url

from rackspace_imagetasks.exceptions import AccessDenied, Cancelled, ServiceError
from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.objects.tempurl import (
    AccountKey,
    SecretUrl,
    sign,
    temporary_url,
    tempurl_digest,
)
from tests.unit.objects import faults, swift
from tests.unit.objects.base import Ledger, SwiftCase

NAME = ObjectName("images", "a b/ü?%")
KEY = "X-Account-Meta-Temp-Url-Key"
THEN = 2_000_000_000


class Handler(swift.Handler):
    """One connection to an account with keys."""

    def split_path(self, path):
        super().split_path(path)
        if path == "/info":
            self.container, self.name, self.target = "", "", "info"

    def date_time_string(self, timestamp=None):
        return formatdate(THEN, usegmt=True)

    def get_account(self):
        assert self.target == "info", self.target
        self.answer(200, {}, json.dumps(self.swift.info).encode())

    def head_account(self):
        self.answer(204, self.swift.keys)

    def post_account(self):
        for header, value in self.headers.items():
            if header.lower().startswith(KEY.lower()):
                self.swift.keys[header.title()] = value
            if header.lower().startswith("x-remove-account"):
                self.swift.keys.pop(header.title().replace("X-Remove-", "X-"), None)
        self.answer(204)


class Swift(swift.Swift):
    handler = Handler

    def __init__(self):
        self.info = {"tempurl": {"allowed_digests": ["sha1", "sha256", "sha512"]}}
        self.keys = {}
        super().__init__()


class TempurlCase(SwiftCase):
    def setUp(self):
        super().setUp()
        self.swift = Swift()
        self.addCleanup(self.swift.close)
        self.store = self.new_store()
        self.ledger = Ledger()

    def url(self, **options):
        return temporary_url(self.store, NAME, "sha512", progress=self.ledger, **options)

    def posts(self):
        return self.swift.requests("POST")


class DigestTest(TempurlCase):
    def test_strongest(self):
        """The strongest digest is chosen, and SHA-1 only if there is no other."""
        for allowed, expected in (
            (["sha1", "sha256", "sha512"], "sha512"),
            (["sha1", "sha256"], "sha256"),
            (["sha1"], "sha1"),
            (["md5"], None),
        ):
            self.swift.info = {"tempurl": {"allowed_digests": allowed}}
            self.assertEqual(expected, tempurl_digest(self.store))
        self.swift.info = {"tempurl": {}}
        self.assertEqual("sha1", tempurl_digest(self.store))

    def test_no_temporary_urls(self):
        """A service without temporary URLs, or without the request for its capabilities."""
        self.swift.info = {"slo": {}}
        self.assertIsNone(tempurl_digest(self.store))
        for status in (401, 403, 404):
            self.swift.fault(faults.status(status), "GET", "info")
            self.assertIsNone(tempurl_digest(self.store))
        self.assertEqual([0, 0, 0], [fault.times for fault in self.swift.faults])
        self.swift.info = {"tempurl": {"allowed_digests": "sha1"}}
        self.assertRaises(ServiceError, tempurl_digest, self.store)

    def test_prefixed_endpoint(self):
        """The capabilities are beside the version in the endpoint, whatever is before it."""
        adapter = swift.adapter_for(f"{self.swift.url}/swift/v1/AUTH_test", "object-store")
        self.assertIsNone(tempurl_digest(ObjectStore(adapter)))
        self.assertEqual(["swift/info"], [get.target.strip("/") for get in self.swift.log])


class UrlTest(TempurlCase):
    def parts(self, secret):
        url = urlsplit(secret.reveal())
        query = {key: value for key, (value,) in parse_qs(url.query).items()}
        return url, query["temp_url_sig"], int(query["temp_url_expires"])

    def test_signature(self):
        """The URL is the one that python-swiftclient makes, and expires by the service's clock."""
        self.swift.keys = {KEY: "existing"}
        with self.url(lifetime=60) as secret:
            url, signature, expires = self.parts(secret)
        self.assertEqual(THEN + 60, expires)
        path = f"/v1/AUTH_test/{NAME}"
        self.assertEqual((path, quote(path)), (unquote(url.path), url.path))
        self.assertEqual(sign(path, expires, "existing", "sha512"), signature)
        for digest in ("sha1", "sha256"):
            made = generate_temp_url(path, expires, "k", "GET", absolute=True, digest=digest)
            self.assertIn(f"temp_url_sig={sign(path, expires, 'k', digest)}", made)

    def test_existing_key(self):
        """A key that the account has is used and kept, the first one first."""
        for keys in ({KEY: "one", f"{KEY}-2": "two"}, {f"{KEY}-2": "two"}):
            self.swift.keys = dict(keys)
            with self.url() as secret:
                _, signature, expires = self.parts(secret)
            key = next(iter(keys.values()))
            self.assertEqual(sign(f"/v1/AUTH_test/{NAME}", expires, key, "sha512"), signature)
            self.assertEqual(keys, self.swift.keys)
        self.assertEqual([], self.posts())

    def test_own_key(self):
        """Without a key, the second one is set for as long as the URL is needed."""
        with self.url() as secret:
            _, signature, expires = self.parts(secret)
            ((name, key),) = self.swift.keys.items()
            self.assertEqual(f"{KEY}-2", name)
            self.assertEqual(sign(f"/v1/AUTH_test/{NAME}", expires, key, "sha512"), signature)
            self.assertGreaterEqual(len(key), 32)
        self.assertEqual({}, self.swift.keys)

    def test_key_of_a_killed_run(self):
        """The key that a killed run has left is used if there is no other one, and removed."""
        killed = self.url()
        killed.__enter__()
        left = dict(self.swift.keys)
        for others in ({}, {KEY: "theirs"}):
            self.store = self.new_store()
            self.swift.keys = {**others, **left}
            with self.url() as secret:
                _, signature, expires = self.parts(secret)
                key = next(iter({**others, **left}.values()))
                self.assertEqual(sign(f"/v1/AUTH_test/{NAME}", expires, key, "sha512"), signature)
            self.assertEqual(others, self.swift.keys)
        self.assertEqual(3, len(self.posts()))
        for keys, kept in ((left, {}), ({f"{KEY}-2": "theirs"}, {f"{KEY}-2": "theirs"})):
            self.swift.keys = dict(keys)
            AccountKey().remove_left(self.store.client, self.ledger)
            self.assertEqual(kept, self.swift.keys)

    def test_key_is_removed_after_any_end(self):
        """The key is removed after an error, an interrupt, and a cancellation of the store."""
        for kind in (ServiceError, KeyboardInterrupt):

            def work(kind=kind):
                with self.url():
                    self.assertTrue(self.swift.keys)
                    raise kind

            self.assertRaises(kind, work)
            self.assertEqual({}, self.swift.keys)
        abort = threading.Event()
        self.store = self.store.until(abort)

        def cancelled():
            with self.url():
                abort.set()
                Cancellation(abort=abort).check()

        self.assertRaises(Cancelled, cancelled)
        self.assertEqual(({}, 6), (self.swift.keys, len(self.posts())))

    def test_shared_key(self):
        """A key that several URLs need is set once, and removed with the last of them."""
        shared = AccountKey()
        for _ in range(2):
            first, second = self.url(account_key=shared), self.url(account_key=shared)
            first.__enter__()
            (key,) = self.swift.keys.values()
            _, signature, expires = self.parts(second.__enter__())
            self.assertEqual(sign(f"/v1/AUTH_test/{NAME}", expires, key, "sha512"), signature)
            first.__exit__(None, None, None)
            self.assertEqual([key], list(self.swift.keys.values()))
            second.__exit__(None, None, None)
            self.assertEqual({}, self.swift.keys)
        self.assertEqual(4, len(self.posts()))

    def test_key_of_others(self):
        """A key that somebody else has set in the meantime is kept."""
        with self.url():
            self.swift.keys[f"{KEY}-2"] = "theirs"
        self.assertEqual({f"{KEY}-2": "theirs"}, self.swift.keys)

    def test_transient_faults(self):
        """Setting and removing the key survive transient faults."""
        self.swift.fault(faults.status(503), "HEAD")
        self.swift.fault(faults.reset_after_body(), "POST")
        self.swift.fault(faults.status(503), "POST")
        with self.url():
            self.assertTrue(self.swift.keys)
        self.assertEqual(({}, []), (self.swift.keys, self.ledger.messages))
        self.assertEqual([0, 0, 0], [fault.times for fault in self.swift.faults])

    def test_refused(self):
        """An account whose keys cannot be set gives no URL."""
        self.swift.fault(faults.status(403), "POST")
        self.assertRaises(AccessDenied, self.url().__enter__)
        self.assertEqual(([0], {}), ([self.swift.faults[0].times], self.swift.keys))

    def test_key_remains(self):
        """If the key cannot be removed, that is said, and the result is kept."""
        with self.url() as secret:
            self.swift.fault(faults.status(403), "POST")
        self.assertEqual([0], [fault.times for fault in self.swift.faults])
        (message,) = self.ledger.messages
        self.assertIn("remains", message)
        self.assertNotIn(self.swift.keys[f"{KEY}-2"], message)
        self.assertNotIn(self.parts(secret)[1], message)

    def test_hidden(self):
        """A secret URL is shown in no form, and cannot be serialized."""
        secret = SecretUrl("http://x?s3cret")
        for shown in (str(secret), repr(secret), f"{secret}", repr([secret])):
            self.assertNotIn("s3cret", shown)
        self.assertRaises(TypeError, pickle.dumps, secret)
        self.assertRaises(TypeError, json.dumps, secret)
        self.assertEqual("http://x?s3cret", secret.reveal())
