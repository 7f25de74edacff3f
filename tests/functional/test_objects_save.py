# SPDX-License-Identifier: Apache-2.0
"""`openstack image task save`: where it writes, what it refuses, and what it deletes."""

import json
import os
import resource
import subprocess

from devcloud.faults import Rule
from tests.functional import objectcase
from tests.functional.objectcase import MIB, fixed_vhd, noise

CONTENT = fixed_vhd(noise(4 * MIB))
PIECES = [CONTENT[at : at + MIB] for at in range(0, len(CONTENT), MIB)]
ODD_NAMES = ("a b%2F", "é/ü.vhd", "../../etc/passwd", "a//b.vhd", "100%.vhd", "-x", "#?&.vhd")


class SaveTest(objectcase.ObjectCase):
    def setUp(self):
        super().setUp()
        self.put_slo("disk.vhd", PIECES)
        self.path = self.tmp / "saved.vhd"
        self.begin()

    def refuses(self, *words, name="disk.vhd", **how):
        """Run a save that fails; return its standard error."""
        outcome = self.save(name, *words, status=1, **how)
        self.assertEqual("", outcome.stdout)
        return outcome.stderr

    def test_existing_file(self):
        """An existing file is replaced only with --overwrite, and refused before any GET."""
        self.path.write_bytes(b"mine")
        self.assertIn("exists", self.refuses(self.path))
        self.assertEqual([], self.requests("GET"))
        self.assertEqual(b"mine", self.path.read_bytes())
        self.save("disk.vhd", self.path, "--overwrite")
        self.assertEqual(CONTENT, self.path.read_bytes())

    def test_directory(self):
        """In a directory, the file has the last part of the object's name."""
        self.save("disk.vhd", self.tmp)
        self.assertEqual(CONTENT, (self.tmp / "disk.vhd").read_bytes())

    def test_directories_that_take_nothing(self):
        """A directory that is missing or read-only is named."""
        self.assertIn("does not exist", self.refuses(self.tmp / "none" / "x"))
        self.assertIn("Cannot write '/proc/", self.refuses("/proc/x"))
        self.assertEqual([], self.requests("GET"))

    def test_disk_too_small(self):
        """Insufficient disk space is reported before any segment is fetched."""
        free = os.statvfs(self.tmp)
        self.sparse_slo(free.f_bavail * free.f_frsize)
        said = self.refuses(self.path, name="huge.vhd")
        self.assertRegex(said, r"Not enough space in .*: .* free, but .* needed\. Free up space")
        self.assertEqual([], self.requests("GET", "_segments"))

    def sparse_slo(self, size):
        """Write a manifest that names one segment until it has at least `size` bytes."""
        piece = {"path": f"/{self.place}_segments/disk.vhd/00000000"}
        count = 1000
        nested = {"path": f"/{self.place}/nested-0"}
        put = self.connection.object_store.put
        query = "multipart-manifest=put"
        put(f"/{self.place}/nested-0?{query}", json=[piece] * count).raise_for_status()
        times = size // (count * MIB) + 1
        put(f"/{self.place}/huge.vhd?{query}", json=[nested] * times).raise_for_status()

    def test_disk_full_meanwhile(self):
        """A full file system is reported, FILE.part is kept, and the next run resumes."""
        self.store().put_object(self.object("plain.vhd"), CONTENT)
        words = ["image", "task", "save", f"{self.place}/plain.vhd", "--file", self.path]
        outcome = self.finished(self.process(*words, preexec_fn=_two_and_a_half_mib))
        self.assertEqual(1, outcome.returncode)
        self.assertIn(b"Cannot write", outcome.stderr)
        self.assertIn(b"File too large", outcome.stderr)
        self.assertNotIn(b"Traceback", outcome.stderr)
        self.assertFalse(self.path.exists())
        (row,) = self.save("plain.vhd", self.path).rows
        self.assertEqual(CONTENT, self.path.read_bytes())
        self.assertEqual(len(CONTENT) - 5 * MIB // 2, row["Fetched"])

    def test_to_a_pipe(self):
        """`--file -` writes the object to standard output, and nothing else."""
        words = ["image", "task", "save", f"{self.place}/disk.vhd", "--file", "-"]
        outcome = self.finished(self.process(*words))
        self.assertEqual((0, CONTENT), (outcome.returncode, outcome.stdout))

    def test_to_a_pipe_that_closes(self):
        """A reader that closes the pipe ends the command with one sentence; the object is kept."""
        words = ["image", "task", "save", f"{self.place}/disk.vhd", "--file", "-"]
        process = self.process(*words, "--delete-object")
        process.stdout.read(100_000)
        process.stdout.close()
        said = process.stderr.read()
        self.assertEqual(1, process.wait(30))
        self.assertIn(b"Cannot write the output: Broken pipe.", said)
        self.assertNotIn(b"Traceback", said)
        self.assertNotIn(b"Exception ignored", said)
        self.assertEqual((["disk.vhd"], 5), self.held())

    def test_no_vhd(self):
        """An object that is not a VHD is saved only on request, without fetching it again."""
        self.put_slo("notes", [noise(MIB), noise(MIB, 2)])
        said = self.refuses(self.path, "--delete-object", name="notes")
        self.assertIn("is not a valid VHD", said)
        self.assertIn("--no-validate", said)
        self.assertFalse(self.path.exists())
        (row,) = self.save("notes", self.path, "--no-validate").rows
        self.assertEqual(0, row["Fetched"])
        self.assertEqual(2 * MIB, self.path.stat().st_size)
        self.assertEqual(["disk.vhd", "notes"], self.held()[0])

    def test_delete_object(self):
        """The object and its segments are deleted only after the file is complete."""
        fault = Rule("GET", f"/{self.place}_segments/disk.vhd/00000003", status=403)
        self.inject(fault)
        self.refuses(self.path, "--delete-object", "--threads", 1)
        self.assertEqual((["disk.vhd"], 5), self.held())
        self.save("disk.vhd", self.path, "--delete-object")
        self.assertEqual(CONTENT, self.path.read_bytes())
        self.assertEqual(([], 0), self.held())

    def test_delete_object_in_part(self):
        """A failed deletion is reported; the file is complete, and `clean` deletes the rest."""
        self.put_dlo("01234567-0123-0123-0123-0123456789ab.vhd", PIECES)
        name = "01234567-0123-0123-0123-0123456789ab.vhd"
        self.inject(Rule("DELETE", f"/{self.place}/{name}-00002", status=403))
        said = self.refuses(self.path, "--delete-object", name=name)
        self.assertIn("is saved, but could not be deleted completely", said)
        self.assertEqual(CONTENT, self.path.read_bytes())
        command = said.split("`")[1].split()
        self.assertEqual(["openstack", "image", "task", "clean"], command[:4])
        (row,) = self.task(*command[3:]).rows
        self.assertEqual((name, "deleted"), (row["Object"], row["Status"]))
        self.assertEqual(["disk.vhd"], self.held()[0])

    def finished(self, process):
        stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


class NameTest(objectcase.ObjectCase):
    def test_odd_names(self):
        """An object of any name is saved and deleted, and never outside of the directory."""
        target = self.tmp / "target"
        target.mkdir()
        content = fixed_vhd(noise(MIB))
        pieces = [content[:MIB], content[MIB:]]
        for put, name in zip((self.put_dlo, self.put_slo) * 4, ODD_NAMES, strict=False):
            put(name, pieces)
            self.save(name, f"{target}/", "--delete-object", "--overwrite")
            (saved,) = target.iterdir()
            self.assertEqual(content, saved.read_bytes())
            self.assertEqual(name.rpartition("/")[2], saved.name)
            self.assertEqual(([], 0), self.held())
            saved.unlink()

    def test_what_is_no_file_name(self):
        """An object whose name ends in `..` is saved only under an explicit file name."""
        content = fixed_vhd(noise(MIB))
        for name in ("..", "x/.."):
            self.store().put_object(self.object(name), content)
            self.assertIn(name, self.names(self.place))
            outcome = self.save(name, self.tmp, status=1)
            self.assertIn(
                "cannot be used as a file name. Specify the file with --file", outcome.stderr
            )
            self.save(name, self.tmp / "saved", "--overwrite")
            self.assertEqual(content, (self.tmp / "saved").read_bytes())

    def test_an_export_that_points_elsewhere(self):
        """The export_location of a task is refused if it contradicts the input of the task."""
        row = self.imported()
        place = self.container()
        exported = self.task("export", row["Image"], "--container", place, "--wait").rows[0]
        self.put_slo("disk.vhd", PIECES)
        task = self.connection.image.get(f"/tasks/{exported['Task']}").json()
        task["result"]["export_location"] = f"{self.place}/disk.vhd"
        headers = {"Content-Type": "application/json"}
        answer = Rule("GET", f"/v2/tasks/{exported['Task']}$", status=200, headers=headers,
                      body=json.dumps(task), times=None)  # fmt: skip
        self.inject(answer, service="glance")
        said = self.refused("save", exported["Task"], "--file", self.tmp / "x", "--delete-object")
        self.assertIn(f"'{self.place}/disk.vhd', which is not the location in its input", said)
        self.assertEqual((["disk.vhd"], 5), self.held())
        self.assertFalse((self.tmp / "x").exists())


def _two_and_a_half_mib():
    """Limit the size of files that the process can write, as a full disk does."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (5 * MIB // 2, 5 * MIB // 2))
