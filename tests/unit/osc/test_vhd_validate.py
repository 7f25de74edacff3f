# SPDX-License-Identifier: Apache-2.0
import json
from unittest import mock

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import NotFound
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.formats.writer import write_file
from tests.unit.osc import local_shell


class TestVhdValidate(local_shell.LocalShellTest):
    def setUp(self):
        super().setUp()
        disk = BytesSource(b"boot".ljust(4 * 2**20, b"\0"))
        write_file(vhd.VirtualVhd(disk), "good.vhd")
        (self.directory / "raw.vhd").write_bytes(bytes(1024))

    def validate(self, *arguments):
        status, stdout, stderr = self.openstack(
            "image", "vhd", "validate", *arguments, "-f", "json"
        )
        self.assertNotIn("Traceback", stderr)
        self.assertNotEqual("", stdout, stderr)
        return status, json.loads(stdout), stderr

    def test_valid(self):
        """A valid file gives no row, 0, and a word on stderr that -q leaves out."""
        status, rows, stderr = self.validate("good.vhd")
        self.assertEqual((0, []), (status, rows))
        self.assertIn("'good.vhd' is valid", stderr)
        self.assertEqual("", self.validate("good.vhd", "-q")[2])

    def test_every_file_is_reported(self):
        """An unreadable file does not hide the others; the status is 1 if one is wrong."""
        status, rows, stderr = self.validate("none.vhd", "raw.vhd", "good.vhd", ".")
        self.assertEqual(1, status)
        self.assertEqual(["File", "Severity", "Code", "Check", "Detail"], list(rows[0]))
        self.assertEqual(
            [
                ("none.vhd", None, "unreadable"),
                ("raw.vhd", 396, "no-footer"),
                (".", None, "unreadable"),
            ],
            [(row["File"], row["Code"], row["Check"]) for row in rows],
        )
        self.assertIn("'good.vhd' is valid", stderr)

    def test_an_unexpected_error(self):
        """Whatever reading a file raises, the others have their rows."""
        reading = "rackspace_imagetasks.sources.confirmed.check_vhd"
        with mock.patch(reading, side_effect=[RuntimeError("odd"), NotFound("No.")]) as fails:
            status, rows, _ = self.validate("good.vhd", "raw.vhd")
        self.assertEqual((1, 2), (status, fails.call_count))
        self.assertEqual(
            [("good.vhd", "Unexpected error: RuntimeError: odd"), ("raw.vhd", "No.")],
            [(row["File"], row["Detail"]) for row in rows],
        )

    def test_warnings_alone(self):
        """A disk of another creator would be imported: a row, and 0."""
        content = bytearray((self.directory / "good.vhd").read_bytes())
        footer = vhd._structures.Footer.parse(bytes(content[-512:]))
        import dataclasses

        other = dataclasses.replace(footer, creator_application=b"qemu").serialise()
        content[:512] = content[-512:] = other
        (self.directory / "qemu.vhd").write_bytes(content)
        status, rows, stderr = self.validate("qemu.vhd")
        self.assertEqual((0, {"warning"}), (status, {row["Severity"] for row in rows}))
        self.assertIn("can be imported, with warnings", stderr)

    def test_limits(self):
        """The limits are options, with units; the codes are the service's."""
        for option, code in (("--max-virtual-size", 413), ("--max-physical-size", 609)):
            status, rows, _ = self.validate("good.vhd", option, "1 MiB")
            self.assertEqual((1, [code]), (status, [row["Code"] for row in rows]))
            self.assertEqual(0, self.validate("good.vhd", option, "5MiB")[0])

    def test_limits_of_the_cloud(self):
        """A cloud's own limit in clouds.yaml counts, without a login."""
        (self.directory / "clouds.yaml").write_text(
            "clouds:\n  small:\n    auth: {auth_url: 'http://127.0.0.1:9'}\n"
            "    image_tasks: {max_virtual_size: 1 MiB}\n"
        )
        status, rows, _ = self.validate("good.vhd", "--os-cloud", "small")
        self.assertEqual((1, 413), (status, rows[0]["Code"]))

    def test_object_without_a_cloud(self):
        """A name that could be an object's says that there is neither file nor cloud."""
        status, rows, _ = self.validate("images/disk.vhd")
        self.assertEqual(1, status)
        self.assertIn("File 'images/disk.vhd' not found, and no cloud", rows[0]["Detail"])

    def validate_in_cloud(self, *arguments):
        """Validate with a cloud whose identity service nobody runs; its waits take no time."""
        (self.directory / "clouds.yaml").write_text(
            "clouds:\n  lost:\n    region_name: DFW\n    auth:\n"
            "      auth_url: http://bob:hush@127.0.0.1:9/v3\n"
            "      username: bob\n      password: hush\n      project_name: acme\n"
        )
        with mock.patch("rackspace_imagetasks.http.cancellation.Cancellation.wait") as wait:
            found = self.validate(*arguments, "--os-cloud", "lost")
        self.assertTrue(wait.called)
        return found

    def test_object_in_a_cloud_that_does_not_respond(self):
        """Both are said, that there is no such file and why no object is found; waits, too."""
        status, rows, stderr = self.validate_in_cloud("images/typo.vhd")
        detail = rows[0]["Detail"]
        self.assertEqual(1, status)
        said = "File 'images/typo.vhd' not found, and looking for an object with that name failed:"
        self.assertTrue(detail.startswith(f"{said} Cannot "), detail)
        self.assertIn("Connection refused", detail)
        self.assertIn("Retrying in", stderr)
        self.assertNotIn("hush", detail + stderr)
        self.assertNotIn("Retrying in", self.validate_in_cloud("images/typo.vhd", "-q")[2])

    def test_file_in_a_directory(self):
        """A file that exists is a file, also where its name could be an object's."""
        (self.directory / "images").mkdir()
        (self.directory / "good.vhd").rename(self.directory / "images" / "good.vhd")
        self.assertEqual(0, self.validate("images/good.vhd")[0])

    def test_table_for_people(self):
        """In the table a warning's code is empty."""
        _, stdout, _ = self.openstack("image", "vhd", "validate", "none.vhd")
        self.assertRegex(stdout, r"\| error +\| +\| 'none.vhd' does not exist")

    def test_size_that_is_none(self):
        """A size that cannot be read is a mistake in the command line: 2."""
        status, _, stderr = self.openstack(
            "image", "vhd", "validate", "good.vhd", "--max-virtual-size", "big"
        )
        self.assertEqual(2, status)
        self.assertIn("'big' is not a size", stderr)
