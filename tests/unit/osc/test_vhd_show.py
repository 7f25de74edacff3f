# SPDX-License-Identifier: Apache-2.0
from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.formats.writer import write_file
from tests.unit.osc import local_shell


class TestVhdShow(local_shell.LocalShellTest):
    def setUp(self):
        super().setUp()
        disk = BytesSource(b"boot".ljust(5 * 2**20, b"\0"))
        write_file(vhd.VirtualVhd(disk), "disk.vhd")

    def test_machine_readable(self):
        """With -f json the sizes are bytes, and the names sorted."""
        shown = self.result("image", "vhd", "show", "disk.vhd")
        self.assertEqual(sorted(shown), list(shown))
        self.assertEqual("dynamic", shown["kind"])
        self.assertEqual(6 * 2**20, shown["virtual_size"])
        self.assertEqual((self.directory / "disk.vhd").stat().st_size, shown["physical_size"])
        self.assertEqual((1, 3), (shown["blocks_allocated"], shown["blocks_total"]))
        self.assertIs(True, shown["grows"])

    def test_names_are_the_files_own(self):
        """With -f json a name is as it is, convert's too; a table shows no control characters."""
        name = "n\x1b[2J\n.vhd"
        (self.directory / "disk.vhd").rename(self.directory / name)
        self.assertEqual(name, self.result("image", "vhd", "show", name)["file"])
        shown = self.result("image", "vhd", "convert", name, f"new-{name}")
        self.assertEqual((name, f"new-{name}"), (shown["source"], shown["file"]))
        (self.directory / "damaged\x1b.vhd").write_bytes(
            (self.directory / name).read_bytes() + b"x"
        )
        for command in (
            ("show", name),
            ("show", "damaged\x1b.vhd"),
            ("show", "none\x1b"),
            ("validate", name, "damaged\x1b.vhd", "none\x1b"),
            ("convert", name, f"newer-{name}"),
            ("convert", name, f"newer-{name}"),
        ):
            self.assertNotIn("\x1b", "".join(self.openstack("image", "vhd", *command)[1:]))

    def test_for_people(self):
        """The table has sizes in units."""
        status, stdout, _ = self.openstack("image", "vhd", "show", "disk.vhd")
        self.assertEqual(0, status)
        self.assertRegex(stdout, r"virtual_size +\| 6 MiB")

    def test_damaged(self):
        """Of a VHD that would be refused the facts are shown, with a hint on stderr."""
        content = bytearray((self.directory / "disk.vhd").read_bytes())
        content[-512:] = bytes(512)
        (self.directory / "disk.vhd").write_bytes(content)
        status, stdout, stderr = self.openstack("image", "vhd", "show", "disk.vhd")
        self.assertEqual(0, status)
        self.assertIn("dynamic", stdout)
        self.assertIn("openstack image vhd validate", stderr)

    def test_bad_input(self):
        """What is no VHD, no file, or not there, is said in a sentence."""
        (self.directory / "disk.raw").write_bytes(bytes(1024))
        self.assert_fails("image", "vhd", "show", "disk.raw", says="'disk.raw' is not a VHD")
        self.assert_fails("image", "vhd", "show", "none.vhd", says="'none.vhd' does not exist")
        self.assert_fails("image", "vhd", "show", ".", says="is a directory")

    def test_broken_configuration_of_clouds(self):
        """A clouds.yaml that cannot be parsed, or names no usable cloud, is in nobody's way."""
        for content in ("clouds: [", "clouds:\n  a: {auth: {auth_url: 'http://127.0.0.1:9'}}\n"):
            (self.directory / "clouds.yaml").write_text(content)
            self.assertEqual("dynamic", self.result("image", "vhd", "show", "disk.vhd")["kind"])
