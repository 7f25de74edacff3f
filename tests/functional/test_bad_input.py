# SPDX-License-Identifier: Apache-2.0
"""Each bad input has its sentence, exit status 1, and sends no task."""

import os
import struct

from devcloud.faults import Rule
from tests.functional import cloudcase


class BadInputTest(cloudcase.CloudTestCase):
    """Bad input is refused before anything is changed."""

    def refused_unsent(self, *words, **how):
        """Run a command that is refused; prove that it sent nothing but questions."""
        del self.sent[:]
        text = self.refused(*words, **how)
        self.assertEqual([], self.changes())
        return text

    def misused(self, *words):
        """Run a command that is used in a wrong way; prove that it sends nothing at all."""
        del self.sent[:]
        text = self.refused(*words, status=2)
        self.assertEqual([], self.sent)
        return text


class ImageTest(BadInputTest):
    def test_unknown_image(self):
        """It names the image and the region."""
        text = self.refused_unsent("export", f"no-{self.mark}")
        self.assertIn(f"Image 'no-{self.mark}' not found in region 'DFW'", text)

    def test_ambiguous_image(self):
        """Two images of one name: the ID is the remedy."""
        self.imported()
        self.imported()
        self.assertIn("the image by its ID", self.refused_unsent("export", f"image-{self.mark}"))

    def test_image_of_another_project(self):
        """A private image of another is unknown; a shared one is refused."""
        row = self.imported()
        self.assertIn("not found", self.refused_unsent("export", row["Image"], cloud="bob"))
        image = self.sdk().image
        image.update_image(row["Image"], visibility="shared")
        bob = self.sdk("bob").current_project_id
        image.add_member(row["Image"], member_id=bob)
        self.sdk("bob").image.update_member(bob, row["Image"], status="accepted")
        text = self.refused_unsent("export", row["Image"], cloud="bob")
        self.assertIn("belongs to another project", text)

    def test_public_image(self):
        """A public image is refused to everyone."""
        row = self.imported()
        self.sdk("admin").image.update_image(row["Image"], visibility="public")
        self.assertIn("is public", self.refused_unsent("export", row["Image"]))

    def test_deactivated_image(self):
        """Only an active image is exported."""
        row = self.imported()
        self.sdk("admin").image.deactivate_image(row["Image"])
        self.assertIn("has status 'deactivated'", self.refused_unsent("export", row["Image"]))

    def test_licensed_image(self):
        """The provider's licence property keeps an image in."""
        row = self.imported()
        properties = {"com.rackspace__1__options": "4"}
        self.sdk("admin").image.update_image(row["Image"], **properties)
        text = self.refused_unsent("export", row["Image"])
        self.assertIn("com.rackspace__1__options is '4'", text)

    def test_too_large_to_import_again_is_a_warning(self):
        """An image with a large min_disk is exported, and the asymmetry said."""
        row = self.imported()
        self.sdk().image.update_image(row["Image"], min_disk=41)
        outcome = self.task("export", row["Image"], "--wait")
        self.assertIn("exported but not imported again", outcome.stderr)


class ContainerTest(BadInputTest):
    def test_container_names(self):
        """The service's rules for names are said before it is asked."""
        row = self.imported()
        for name in ("a.b", "a?b", "a/b"):
            text = self.refused_unsent("export", row["Image"], "--container", name)
            self.assertIn("is not valid: it cannot contain", text)

    def test_missing_container(self):
        """A named container is not made without being asked."""
        row = self.imported()
        text = self.refused_unsent("export", row["Image"], "--container", f"no-{self.mark}")
        self.assertIn("--create-container", text)
        text = self.refused_unsent("import", f"no-{self.mark}/x.vhd")
        self.assertIn(f"Container 'no-{self.mark}' not found", text)
        self.assertIn("To import a local file, check its path", text)
        path = self.corpus("go-vhd-xapi.vhd")
        text = self.refused_unsent("import", path, "--container", f"no-{self.mark}")
        self.assertIn("--create-container", text)

    def test_missing_object(self):
        """The object is named."""
        container = self.container()
        text = self.refused_unsent("import", f"{container}/no such é%.vhd")
        self.assertIn(f"Object '{container}/no such é%.vhd' not found", text)

    def test_an_object_in_the_way(self):
        """An export does not replace what is there."""
        row, container = self.imported(), self.container()
        self.swift().put_object(container, f"{row['Image']}.vhd", b"x")
        text = self.refused_unsent("export", row["Image"], "--container", container)
        self.assertIn(f"Object '{container}/{row['Image']}.vhd' already exists", text)

    def test_no_container(self):
        """An empty name, as of a variable that is not set, is not taken for the default."""
        row = self.imported()
        path = self.corpus("go-vhd-xapi.vhd")
        for words in (("export", row["Image"]), ("import", path), ("clean",)):
            self.assertIn("1 to 256", self.refused_unsent(*words, "--container", ""))
        self.assertIn("not found", self.refused_unsent("clean", "--container", self.mark))


class FileTest(BadInputTest):
    def test_files_that_cannot_be_read(self):
        """Missing, a directory, empty: each is said."""
        empty = self.tmp / "empty"
        empty.touch()
        for path, said in (
            (self.tmp / "none", "does not exist"),
            (self.tmp, "is a directory"),
            (empty, "is empty"),
        ):
            self.assertIn(said, self.refused_unsent("import", path))

    def test_vhds_that_the_service_would_refuse(self):
        """Each has the service's code, before a byte is sent."""
        good = self.corpus("go-vhd-xapi.vhd").read_bytes()
        cases = {
            "truncated": (good[:2000], "error 111"),
            "noise": (os.urandom(4096), "error 396"),
            "zero-uuid": (_with_footer(good, 68, bytes(16)), "error 614"),
            "too-large": (_with_footer(good, 48, struct.pack(">Q", 41 << 30)), "error 413"),
            "type-9": (_with_footer(good, 60, struct.pack(">I", 9)), "error 523"),
        }
        for name, (content, said) in cases.items():
            path = self.tmp / name
            path.write_bytes(content)
            self.assertIn(said, self.refused_unsent("import", path, "--no-convert"))
            container = self.container()
            self.sdk().object_store.upload_object(container=container, name=name, data=content)
            self.assertIn(said, self.refused_unsent("import", f"{container}/{name}"))
        child = self.corpus("go-vhd-win8-child.vhd")
        self.assertIn("error 721", self.refused_unsent("import", child))

    def test_what_is_no_disk(self):
        """Text, and noise without a boot sector, are not taken for raw disks."""
        text, noise = self.tmp / "notes.txt", self.tmp / "noise"
        text.write_text("no disk")
        noise.write_bytes(os.urandom(4096))
        self.assertIn("not a disk image", self.refused_unsent("import", text))
        self.assertIn("--source-format raw", self.refused_unsent("import", noise))

    def test_limits_are_settable(self):
        """--max-virtual-size and --max-physical-size decide, in any unit."""
        path = self.corpus("go-vhd-xapi.vhd")
        text = self.refused_unsent("import", path, "--max-virtual-size", "39MiB")
        self.assertIn("error 413", text)
        text = self.refused_unsent("import", path, "--max-physical-size", "3 KiB")
        self.assertIn("error 609", text)

    def test_windows_and_protected_properties(self):
        """All that is wrong is said at once."""
        text = self.refused_unsent(
            *("import", self.corpus("go-vhd-xapi.vhd"), "--wait", "--container", f"no-{self.mark}"),
            *("--property", "os_type=windows", "--property", "com.rackspace__1__options=0"),
        )
        self.assertEqual(3, len(text.splitlines()))

    def test_settings_need_wait(self):
        """What is set on the image after its import needs the import's end."""
        text = self.refused_unsent("import", self.corpus("go-vhd-xapi.vhd"), "--tag", "x")
        self.assertIn("dd --wait", text)

    def test_a_column_that_is_not_there(self):
        """It is refused before the work, not after it, when its rows would be lost."""
        del self.sent[:]
        text = self.task("import", self.corpus("go-vhd-xapi.vhd"), "-c", "nosuch", status=2).stderr
        self.assertEqual([], self.sent)
        self.assertIn("Available columns: Image, Name", text)

    def test_options_of_local_files(self):
        """They are not ignored for an object."""
        text = self.misused("import", "c/x.vhd", "--container", "c", "--no-convert")
        self.assertEqual(2, text.count("applies to local files"))

    def test_nothing_to_import(self):
        """No source at all, or one name for several."""
        self.assertIn(
            "Specify a local file or <container>/<object> to import", self.misused("import")
        )
        text = self.misused("import", "a.vhd", "b.vhd", "--name", "x")
        self.assertIn("--name applies to one image", text)

    def test_poll_interval(self):
        """One that is shorter than the provider allows is an error of the command line."""
        text = self.refused("wait", "x", "--poll-interval", "0.01", status=2)
        self.assertIn("--poll-interval must be at least 0.1 seconds", text)

    def test_options_without_effect(self):
        """Each option that needs another one is named, all at once."""
        text = self.misused("export", "x", "--overwrite", "--delete-object")
        self.assertEqual(2, text.count("add --file"))
        self.assertIn("requires --wait", self.misused("export", "x", "--file", "x.vhd"))


class WhoTest(BadInputTest):
    def test_a_plain_member(self):
        """403 is explained by the role that is missing."""
        row = self.imported()
        self.assertIn("admin role", self.refused("export", row["Image"], cloud="carol"))
        path = self.corpus("go-vhd-xapi.vhd")
        self.assertIn("admin role", self.refused("import", path, cloud="carol"))

    def test_no_such_cloud_or_region(self):
        """The client's own sentences."""
        self.assertIn("nimbus was not found", self.refused("wait", "x", cloud="nimbus"))
        self.assertIn("XXX is not a valid region", self.refused("wait", "x", region="XXX"))

    def test_wrong_password(self):
        """One sentence that says what to check, and no password in it."""
        outcome = self.openstack(
            *("--os-password", "hunter2", "image", "task", "wait", "x"), status=1
        )
        self.assertIn("check the user, key or password", outcome.stderr)
        self.assertNotIn("hunter2", outcome.stderr)

    def test_wrong_api_key(self):
        """The same for a key: Keystone's own words would name a schema."""
        words = ("--os-api-key", "hunter2", "image", "task", "wait", "x")
        outcome = self.openstack(*words, cloud="alice-apikey", status=1)
        self.assertIn("check the user, key or password", outcome.stderr)
        self.assertNotIn("hunter2", outcome.stderr)

    def test_quota(self):
        """A full container is said, and no task is created for what did not fit."""
        container = self.container()
        self.swift().post_container(container, {"X-Container-Meta-Quota-Bytes": "10"})
        path = self.corpus("go-vhd-xapi.vhd")
        text = self.refused_unsent("import", path, "--container", container)
        self.assertIn("has a quota of 10 bytes", text)
        self.assertEqual(set(), self.objects(container))
        self.assertFalse([url for method, url in self.changes() if "/tasks" in url])


class TaskTest(BadInputTest):
    def test_a_task_of_another_type(self):
        """An import's task has nothing to save."""
        task = self.imported()["Task"]
        text = self.refused_unsent("save", task, "--file", self.tmp / "x.vhd")
        self.assertIn("only the VHD of an export task can be saved", text)
        self.assertEqual([], list(self.tmp.glob("x.vhd*")))

    def test_unknown_task(self):
        """Also what an expired one looks like."""
        self.assertIn("two days after", self.refused("wait", self.mark))

    def test_a_task_that_fails(self):
        """What the code means and what to do, and the row is printed all the same."""
        container = self.container()
        store = self.sdk().object_store
        store.upload_object(container=container, name="x.vhd", data=b"no disk" * 1000)
        answer = self.sdk().image.post(
            "/tasks",
            json={
                "type": "import",
                "input": {
                    "import_from": f"{container}/x.vhd",
                    "import_from_format": "vhd",
                    "image_properties": {"name": "x"},
                },
            },
        )
        outcome = self.task("wait", answer.json()["id"], status=1)
        self.assertEqual("failure", outcome.rows[0]["Status"])
        self.assertIn(
            "Convert the disk to a VHD with `openstack image vhd convert`", outcome.stderr
        )

    def held_task(self, subject):
        """Have a task not begin before the file exists that is returned."""
        go = self.tmp / "go"
        self.inject(Rule("TASK", subject, until=str(go)), service="glance")
        return go

    def test_wait_times_out_and_says_how_to_resume(self):
        """The task goes on; following it again succeeds."""
        container = self.container()
        go = self.held_task(f"/import/{container}/")
        path = self.corpus("go-vhd-xapi.vhd")
        outcome = self.task(
            *("import", path, "--wait", "--timeout", "0.3", "--container", container),
            *("--name", f"x-{self.mark}"),
            status=1,
        )
        (row,) = outcome.rows
        self.assertEqual("processing", row["Status"])
        self.assertRegex(outcome.stderr, f"([Ww]ait for|image task wait) {row['Task']}")
        self.assertEqual(1, len(self.objects(container)))
        go.touch()
        self.assertEqual("success", self.task("wait", row["Task"]).rows[0]["Status"])

    def test_an_export_that_times_out(self):
        """The second run finds it done, with the file or without; its row names the task."""
        row, container = self.imported(), self.container()
        go = self.held_task(f"/export/{row['Image']}")
        words = ("export", row["Image"], "--container", container)
        target = self.tmp / "saved.vhd"
        outcome = self.task(*words, "--wait", "--timeout", "0.3", "--file", target, status=1)
        self.assertIn("follow it and save the VHD", outcome.stderr)
        self.assertFalse(target.exists())
        go.touch()
        self.task("wait", outcome.rows[0]["Task"])
        again = self.task(*words, "--wait").rows[0]
        self.assertEqual(("exported before", 3584), (again["Status"], again["Size"]))
        self.task(*words, "--wait", "--file", target)
        self.assertEqual(3584, target.stat().st_size)

    def test_a_setting_that_is_refused(self):
        """The others are set, the sentence says what is left, and without it the job is done."""
        container = self.container()
        words = ("import", self.corpus("go-vhd-xapi.vhd"), "--name", f"x-{self.mark}", "--wait")
        words += ("--container", container, "--tag", "t", "--property", "role=web")
        text = self.refused(*words, "--public")
        self.assertIn("was imported, but not all settings could be applied", text)
        self.assertIn("visibility 'public'", text)
        (image,) = self.sdk().image.images(name=f"x-{self.mark}")
        self.assertEqual((["t"], "web"), (image.tags, image.properties["role"]))
        self.assertEqual(image.id, self.task(*words).rows[0]["Image"])
        self.assertEqual(set(), self.objects(container))

    def test_the_same_command_again_finishes_the_job(self):
        """After a time-out the second run follows the first task: one image, and nothing staged."""
        container = self.container()
        go = self.held_task(f"/import/{container}/")
        words = (
            *("import", self.corpus("go-vhd-xapi.vhd"), "--container", container),
            *("--name", f"x-{self.mark}", "--tag", "t"),
        )
        self.task(*words, "--wait", "--timeout", "0.3", status=1)
        go.touch()
        row = self.task(*words, "--wait").rows[0]
        images = list(self.sdk().image.images(name=f"x-{self.mark}"))
        self.assertEqual([row["Image"]], [image.id for image in images])
        self.assertEqual(["t"], images[0].tags)
        self.assertEqual(set(), self.objects(container))


def _with_footer(vhd, offset, value):
    """Change a field of both footers, with a good checksum."""
    footer = bytearray(vhd[:512])
    footer[offset : offset + len(value)] = value
    footer[64:68] = bytes(4)
    footer[64:68] = struct.pack(">I", ~sum(footer) & 0xFFFFFFFF)
    return bytes(footer) + vhd[512:-512] + bytes(footer)
