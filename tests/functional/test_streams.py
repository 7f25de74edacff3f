# SPDX-License-Identifier: Apache-2.0
"""Streams that are closed or carry data, and arguments in no encoding that is known."""

import os
import subprocess
import sys

from tests.functional import objectcase


class StreamsTest(objectcase.ObjectCase):
    def setUp(self):
        super().setUp()
        self.path = self.vhd()
        self.store().put_object(self.object("disk.vhd"), self.path.read_bytes())
        self.location = f"{self.place}/disk.vhd"

    def shell(self, command, *words, **variables):
        """Run `openstack` with the redirections of a shell command that has "$@" for it."""
        program = [sys.executable, "-m", "openstackclient.shell", "--os-cloud", "alice"]
        return subprocess.run(
            ["bash", "-c", command, "bash", *program, "--os-region-name", "DFW", *words],
            cwd=self.tmp,
            capture_output=True,
            check=False,
            env=os.environ | variables,
        )

    def save(self, command, *words):
        return self.shell(command, *words, "image", "task", "save", self.location, "--file", "-")

    def test_standard_output_is_the_data_alone(self):
        """--timing and the result do not follow the data; standard error may be closed."""
        for command, words in (
            ('"$@"', ("--timing", "-vv")),
            ('"$@" 2>&-', ("--timing",)),
        ):
            saved = self.save(command, *words)
            self.assertEqual(0, saved.returncode, (command, words, saved.stderr))
            self.assertEqual(self.path.read_bytes(), saved.stdout, (command, words))

    def test_closed_standard_output(self):
        """Data for a closed stream is refused; a file is saved without a result."""
        refused = self.save('"$@" >&-')
        self.assertEqual(1, refused.returncode)
        self.assertIn(b"Standard output is closed", refused.stderr)
        words = ("image", "task", "save", self.location, "--file", "copy.vhd")
        saved = self.shell('"$@" >&-', *words)
        self.assertNotIn(b"Traceback", saved.stderr)
        self.assertEqual(0, saved.returncode, saved.stderr)
        self.assertEqual(self.path.read_bytes(), (self.tmp / "copy.vhd").read_bytes())

    def test_text_that_is_not_utf8(self):
        """Each argument with such text is named in a sentence, and nothing is sent."""
        bad = os.fsdecode(b"bad\xff")
        for words, says in (
            (("import", self.path, "--name", bad), "UTF-8"),
            (("import", self.path, "--tag", bad, "--wait"), "UTF-8"),
            (("import", self.path, "--property", f"k={bad}", "--wait"), "UTF-8"),
            (("import", self.path, "--container", bad), "UTF-8"),
            (("import", f"images/{bad}"), "UTF-8"),
            (("import", f"{bad}.vhd"), "--name"),
            (("export", bad), "UTF-8"),
            (("export", "web", "--container", bad), "UTF-8"),
            (("save", f"images/{bad}", "--file", "x"), "UTF-8"),
            (("transfer", bad, "--to-region", "ORD"), "UTF-8"),
            (("clean", "--container", bad), "UTF-8"),
            (("wait", bad), "UTF-8"),
        ):
            del self.sent[:]
            error = self.refused(*words, status=1 if says == "--name" else 2)
            self.assertEqual(1, len(error.splitlines()), error)
            self.assertIn(says, error, words)
            for codec in ("surrogate", "codec"):
                self.assertNotIn(codec, error, words)
            self.assertEqual([], self.changes(), words)

    def test_a_name_of_a_file_that_is_not_utf8(self):
        """Among several files, one without a name for its image does not stop the others."""
        bad = self.tmp / os.fsdecode(b"bad\xff.vhd")
        bad.write_bytes(self.path.read_bytes())
        words = ("import", bad, self.path, "--dry-run", "--container", self.place)
        outcome = self.task(*words, status=1)
        self.assertIn("is not valid UTF-8", outcome.stderr)
        self.assertIn("disk", [row["Name"] for row in outcome.rows])

    def test_names_in_the_c_locale(self):
        """A file with a name that ASCII cannot write is converted and validated all the same."""
        source = self.tmp / "dïsk 日本.raw"
        source.write_bytes(bytes(510) + b"\x55\xaa" + bytes(2**20 - 512))
        ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        for words in (
            ["image", "vhd", "convert", source.name, "dïsk.vhd"],
            ["image", "vhd", "show", "dïsk.vhd"],
            ["image", "task", "import", "dïsk.vhd", "--dry-run", "--container", self.place],
        ):
            outcome = self.shell('"$@"', *words, **ascii_only)
            self.assertEqual(0, outcome.returncode, (words, outcome.stderr))
            self.assertNotIn(b"Traceback", outcome.stderr)
        self.assertTrue((self.tmp / "dïsk.vhd").exists())
