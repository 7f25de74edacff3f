# SPDX-License-Identifier: Apache-2.0
import hashlib
import json
import os
from pathlib import Path

import pyvhdi

from tests.functional import cloudcase


class RoundTripTest(cloudcase.CloudTestCase):
    def test_a_vhd_goes_in_and_comes_out(self):
        """A Windows 10 VHD of 23 MB is imported with its settings, exported, and is the same."""
        path = self.corpus("node-vhd-dynamic.vhd")
        row = self.task(
            *("import", path, "--name", f"web-{self.mark}", "--wait", "--no-convert"),
            *("--property", "os_distro=debian", "--boot-profile", "hvm"),
            *("--tag", "gold", "--min-disk", "20", "--min-ram", "512"),
        ).rows[0]
        self.assertEqual("success", row["Status"])
        self.assertEqual(512 * 2**20, row["Disk Size"])

        image = self.sdk().image.get_image(row["Image"])
        self.assertEqual("active", image.status)
        self.assertEqual((20, 512, ["gold"]), (image.min_disk, image.min_ram, image.tags))
        self.assertEqual("debian", image.os_distro)
        self.assertEqual("hvm", image.vm_mode)
        self.assertEqual("False", str(image.properties["xenapi_use_agent"]))

        container = self.container()
        exported = self.task("export", image.name, "--container", container, "--wait").rows[0]
        self.assertEqual(f"{container}/{image.id}.vhd", exported["Location"])
        self.assertEqual(path.stat().st_size, exported["Size"])
        self.assertEqual(_disk(path), _disk(self.fetch(exported["Location"])))

    def test_the_staged_object_goes_after_the_import(self):
        """Nothing is left of an upload when its image is there, unless --keep-object."""
        container, path = self.container(), self.corpus("go-vhd-xapi.vhd")
        words = ("import", path, "--container", container, "--wait", "--name", f"x-{self.mark}")
        self.task(*words)
        self.assertEqual(set(), self.objects(container))
        self.task(*words, "--keep-object", "--new-copy")
        self.assertEqual(1, len(self.objects(container)))

    def test_an_object_is_imported_and_stays(self):
        """An object that the user put there is the user's, until --delete-object."""
        container = self.container()
        name = "a b%2F/dé.vhd"
        self.swift().put_object(container, name, self.corpus("go-vhd-xapi.vhd").read_bytes())
        row = self.task("import", f"{container}/{name}", "--wait").rows[0]
        self.assertEqual("dé", row["Name"])
        self.assertEqual({name}, self.objects(container))
        self.task("import", f"{container}/{name}", "--wait", "--delete-object")
        self.assertEqual(set(), self.objects(container))

    def test_a_file_with_the_name_of_an_object(self):
        """The file is imported, which a warning says; --object means the object."""
        container, content = self.container(), self.corpus("go-vhd-xapi.vhd").read_bytes()
        self.swift().put_object(container, "disk.vhd", content)
        self.addCleanup(os.chdir, Path.cwd())
        os.chdir(self.tmp)
        Path(container).mkdir()
        Path(container, "disk.vhd").write_bytes(content)
        name = f"{container}/disk.vhd"
        outcome = self.task("import", name, "--dry-run")
        self.assertIn("image-imports/", outcome.rows[0]["Object"])
        self.assertIn(f"Importing file '{name}'. To import the object", outcome.stderr)
        outcome = self.task("import", "--object", name, "--dry-run")
        self.assertEqual((name, ""), (outcome.rows[0]["Object"], outcome.stderr))

    def test_neither_a_file_nor_an_object(self):
        """The error says what to do for either."""
        name = f"{self.container()}/none.vhd"
        text = self.refused("import", name)
        self.assertIn(f"Object '{name}' not found", text)
        self.assertIn("To import a local file, check its path", text)

    def test_without_wait_the_task_can_be_followed(self):
        """import gives a task; `image task wait` follows it to its image."""
        path = self.corpus("go-vhd-xapi.vhd")
        row = self.task("import", path, "--name", f"x-{self.mark}").rows[0]
        self.assertIn(row["Status"], ("pending", "processing"))
        self.assertIsNone(row["Image"])
        ended = self.task("wait", row["Task"]).rows[0]
        self.assertEqual(("import", "success"), (ended["Type"], ended["Status"]))
        self.assertEqual("active", self.sdk().image.get_image(ended["Result"]).status)

    def test_many_files_some_bad(self):
        """Good ones are imported, bad ones named, and the exit status says so."""
        good = [self.corpus("go-vhd-xapi.vhd", f"{self.mark}-{n}.vhd") for n in range(3)]
        bad = self.corpus("go-vhd-win8-child.vhd")
        outcome = self.task("import", *good, bad, "--wait", status=1)
        self.assertEqual([*map(str, good), str(bad)], [row["Source"] for row in outcome.rows])
        self.assertEqual([*["success"] * 3, "failed"], [row["Status"] for row in outcome.rows])
        self.assertIn("error 721", outcome.rows[3]["Reason"])
        self.assertIn("error 721", outcome.stderr)

    def test_dry_run_changes_nothing(self):
        """A dry run of an import and of an export says what would be, and sends no task."""
        row = self.imported()
        del self.sent[:]
        container = f"new-{self.mark}"
        planned = self.task(
            *("export", row["Image"], "--dry-run"),
            *("--container", container, "--create-container"),
        ).rows[0]
        self.assertEqual(f"{container}/{row['Image']}.vhd", planned["Location"])
        self.task(*("import", self.corpus("go-vhd-xapi.vhd"), "--dry-run", "--wait", "--tag", "x"))
        self.assertEqual([], self.changes())
        names = {each.name for each in self.sdk().object_store.containers()}
        self.assertNotIn(container, names)

    def test_api_key_login(self):
        """`auth_type: rackspace_apikey`, as the service's users log in, does the main job."""
        row = self.imported(cloud="alice-apikey")
        exported = self.task(
            *("export", row["Image"], "--wait", "--create-container"),
            *("--container", f"key-{self.mark}"),
            cloud="alice-apikey",
        ).rows[0]
        self.assertEqual(3584, exported["Size"])

    def test_regions_are_apart(self):
        """An image of ORD is exported there, and unknown in DFW."""
        row = self.imported(region="ORD")
        self.assertIn("not found", self.refused("export", row["Image"], region="DFW"))
        self.task("export", row["Image"], "--wait", region="ORD")

    def test_stdout_is_the_result_alone(self):
        """With progress on and warnings given, standard output is JSON."""
        outcome = self.openstack(
            *("-v", "image", "task", "import", "--wait", "-f", "json"),
            *("--name", f"x-{self.mark}", self.corpus("go-vhd-qemu.vhd")),
        )
        self.assertEqual("success", json.loads(outcome.stdout)[0]["Status"])
        self.assertIn("Importing", outcome.stderr)
        quiet = self.openstack(
            *("-q", "image", "task", "import", "--wait", "-f", "json"),
            *("--name", f"x-{self.mark}", self.corpus("go-vhd-xapi.vhd")),
        )
        self.assertEqual("", quiet.stderr)

    def test_help_reads_like_a_core_command(self):
        """Each command's help begins with its usage and names its arguments."""
        for command, argument in (
            ("import", "<source>"),
            ("export", "<image>"),
            ("wait", "<task>"),
        ):
            text = self.openstack("image", "task", command, "--help").stdout
            self.assertIn(f" image task {command} [options]", text.splitlines()[0])
            self.assertIn(argument, text)


def _disk(path):
    """Give the digest of a VHD's disk, as libvhdi reads it: two exports' footers differ."""
    file = pyvhdi.file()
    file.open(str(path))
    digest = hashlib.sha256()
    for _ in range(0, file.get_media_size(), 2**20):
        digest.update(file.read_buffer(2**20))
    return file.get_media_size(), digest.hexdigest()
