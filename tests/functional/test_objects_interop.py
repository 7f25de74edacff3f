# SPDX-License-Identifier: Apache-2.0
"""Interoperation with python-swiftclient in both directions."""

import subprocess

from tests.functional import objectcase
from tests.functional.objectcase import BIN, MIB


class InteropTest(objectcase.ObjectCase):
    def client(self, *words):
        """Run the command of python-swiftclient."""
        store = self.connection.object_store
        access = ("--os-storage-url", store.get_endpoint(), "--os-auth-token", store.get_token())
        subprocess.run(
            [BIN / "swift", *access, *map(str, words)],
            check=True,
            capture_output=True,
            cwd=self.tmp,
        )

    def test_it_fetches_what_we_sent(self):
        """`swift download`, which also compares MD5s, restores the file."""
        path = self.vhd()
        self.send(path)
        (name,), _ = self.held()
        self.client("download", self.place, name, "--output", "fetched.vhd")
        self.assertEqual(path.read_bytes(), (self.tmp / "fetched.vhd").read_bytes())

    def test_we_fetch_what_it_sent(self):
        """`swift upload` as SLO, DLO and plain object; each is saved, checked and deleted."""
        path = self.vhd()
        for options in (("-S", MIB, "--use-slo"), ("-S", MIB), ()):
            self.client("upload", self.place, path.name, *options)
            saved = self.tmp / "saved.vhd"
            self.save(path.name, saved, "--delete-object", "--overwrite")
            self.assertEqual(path.read_bytes(), saved.read_bytes())
            self.assertEqual(([], 0), self.held())
