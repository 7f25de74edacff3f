# SPDX-License-Identifier: Apache-2.0
"""Images saved as VHD, qcow2 and raw from both kinds of cloud, also after something went wrong."""

import filecmp
import hashlib
import os
import subprocess

from devcloud.faults import Rule
from tests.functional import diskcase, processcase

MIB = 1 << 20
NOISE = 40 * MIB
DISK = 64 * MIB
STALLED = 20 * MIB  # what has arrived when a command is killed
FLEX = {"cloud": "flex", "region": "SJC3"}
DRIVERS = {"vhd": "vpc", "qcow2": "qcow2", "raw": "raw"}


class SaveFormatCase(diskcase.DiskCase, processcase.ProcessTestCase):
    """An image with 40 MiB of noise; its exports have segments of 2 MiB."""

    def setUp(self):
        super().setUp()
        self.require_programs("qemu-img", "sfdisk")
        self.name = f"image-{self.mark}"
        self.raw = self.noisy_disk()
        self.out = self.tmp / "out"
        self.out.mkdir()

    def noisy_disk(self):
        """Make a disk of 64 MiB with an MBR."""
        path = self.tmp / "disk.raw"
        with path.open("wb") as file:
            file.seek(MIB)
            file.write(os.urandom(NOISE))
            file.truncate(DISK)
        subprocess.run(["sfdisk", "-q", path], input=b"1MiB,,L,*\n", check=True)
        return path

    def imported(self, form=None, **place):
        """Import the disk; give the ID of the image."""
        words = ["--disk-format", form] if form else ["--wait"]
        row = self.task("import", self.raw, "--name", self.name, *words, **place).rows[0]
        return row["Image"]

    def exporting(self, name, *words):
        return ("export", self.name, "--wait", "--file", self.out / name, *words)

    def assert_saved(self, name):
        """Check that the only file is a sound image of the disk."""
        saved, form = self.out / name, name.rpartition(".")[2]
        self.assertEqual([saved], self.files())
        self.assert_same_disk(self.raw, "raw", saved, DRIVERS[form])
        if form == "qcow2":
            subprocess.run(["qemu-img", "check", "-q", saved], check=True)
        if form == "raw":
            self.assertTrue(filecmp.cmp(self.raw, saved, shallow=False))
        saved.unlink()

    def killed(self, rule, name, *words, service="swift", **place):
        """Kill a command when a rule stalls it; only `FILE.part` is there."""
        rules = self.inject(rule, region=place.get("region", "DFW"), service=service)
        process = self.start("image", "task", *words, **place)
        self.until(lambda: rules.fired() == [1])
        part = self.out / f"{name}.part"
        self.until(lambda: part.stat().st_blocks * 512 >= STALLED - 2 * MIB)
        self.assertIsNone(process.poll())
        process.kill()
        process.wait()
        self.assertEqual([part], self.files())

    def files(self):
        return list(self.out.iterdir())


class TasksTest(SaveFormatCase):
    def setUp(self):
        super().setUp()
        self.image = self.imported()
        self.container = self.container()
        words = ("--container", self.container)
        self.location = self.task("export", self.image, "--wait", *words).rows[0]["Location"]

    def saving(self, name, *words):
        return ("save", self.location, "--file", self.out / name, *words)

    def segments(self, log):
        """Give the numbers of the segments that were requested."""
        paths = [each.path for each in log() if each.method == "GET" and not each.query]
        return [int(path[-5:]) for path in paths if f"/{self.image}.vhd-" in path]

    def test_formats(self):
        """The suffix chooses the format; `export` and `save` write the same files."""
        for form in DRIVERS:
            words = ("--container", self.container)
            self.task(*self.exporting(f"a.{form}", *words))
            stored = (self.out / f"a.{form}").stat().st_blocks * 512
            self.assertLess(stored, NOISE + 4 * MIB, "zeros take space")
            self.assert_saved(f"a.{form}")
            row = self.task(*self.saving(f"a.{form}")).rows[0]
            self.assertEqual((self.out / f"a.{form}").stat().st_size, row["Size"])
            self.assert_saved(f"a.{form}")

    def test_killed(self):
        """After kill -9, the same command requests no segment again that it has written."""
        for form in DRIVERS:
            name = f"b.{form}"
            rule = Rule("GET", f"/{self.image}.vhd-00011$", stall=600, offset=MIB)
            self.killed(rule, name, *self.saving(name, "--threads", "1"))
            log = self.log()
            self.task(*self.saving(name))
            again = self.segments(log)
            # The segments in which the last complete piece and its block begin may be read in part,
            # then verified, and the request of the killed run be logged late.
            self.assertLessEqual(len(again), len(set(again)) + 3)
            # A piece of 4 MiB is complete when the segments of 2 MiB below it are verified.
            self.assertGreaterEqual(min(again), 6)
            self.assertIn(21, again)
            self.assert_saved(name)

    def test_broken_connection(self):
        """A connection that breaks is made again, and resumes at the byte that was reached."""
        rule = Rule("GET", f"/{self.image}.vhd-0000[357]$", drop="download", offset=MIB, times=3)
        rules = self.inject(rule)
        self.task(*self.saving("c.qcow2"))
        self.assertEqual([3], rules.fired())
        self.assert_saved("c.qcow2")

    def test_corrupt_segment(self):
        """A segment that does not match its MD5 is an error; running again finishes the job."""
        for form in ("qcow2", "raw"):
            name = f"d.{form}"
            rules = self.inject(Rule("GET", f"/{self.image}.vhd-00012$", corrupt=True, offset=MIB))
            said = self.refused(*self.saving(name))
            self.assertEqual([1], rules.fired())
            self.assertIn("is corrupt: its MD5 is", said)
            self.assertEqual([self.out / f"{name}.part"], self.files())
            self.task(*self.saving(name))
            self.assert_saved(name)

    def test_stream(self):
        """`--file -` writes any of the formats to standard output."""
        for form in DRIVERS:
            process = self.start(
                *("image", "task", "save", self.location, "--file", "-", "--disk-format", form),
                text=False,
            )
            content, said = process.communicate(timeout=60)
            self.assertEqual(0, process.returncode, said)
            (self.out / f"e.{form}").write_bytes(content)
            self.assert_saved(f"e.{form}")

    def test_refused_formats(self):
        """Another format is refused before anything is sent, with the way to it."""
        del self.sent[:]
        for words in (self.saving("f.vmdk"), self.saving("f.raw", "--disk-format", "vdi")):
            said = self.refused(*words)
            self.assertIn("Available formats: qcow2, raw, vhd.", said)
            self.assertIn("then convert the file with `qemu-img convert`", said)
        self.assertEqual([], self.changes())
        self.assertEqual([], self.files())

    def test_misnamed(self):
        """A format that contradicts the suffix is written, with a warning."""
        outcome = self.task(*self.saving("g.qcow2", "--disk-format", "raw"))
        self.assertIn("although its name ends with '.qcow2'", outcome.stderr)
        (self.out / "g.qcow2").rename(self.out / "g.raw")
        self.assert_saved("g.raw")


class DataTest(SaveFormatCase):
    def requests(self, log, image):
        """Give the requests for an image's data, but for those that show whether ranges work."""
        ours = f"/{image}/file"
        return [r for r in log() if r.path.endswith(ours) and r.range != "bytes=0-0"]

    def test_formats(self):
        """An image in each format becomes a file in each format, or one with its very bytes."""
        for own in DRIVERS:
            image = self.sdk(**FLEX).image.get_image(self.imported(own, **FLEX))
            for form in DRIVERS:
                path = self.out / f"a.{form}"
                row = self.task("export", image.id, "--wait", "--file", path, **FLEX).rows[0]
                self.assertEqual(
                    ("saved", str(path), None), (row["Status"], row["Location"], row["Task"])
                )
                if own == form:
                    found = hashlib.new(image.hash_algo, path.read_bytes()).hexdigest()
                    self.assertEqual(image.hash_value, found)
                self.assert_saved(f"a.{form}")
            self.sdk(**FLEX).image.delete_image(image.id)

    def test_killed(self):
        """After kill -9, the same command requests only the rest, and verifies all of it."""
        for form in DRIVERS:
            image = self.imported(form, **FLEX)
            rule = Rule("GET", f"/{image}/file$", range="[^0]$", stall=600, offset=STALLED)
            words = ("export", image, "--wait", "--file", self.out / f"b.{form}")
            self.killed(rule, f"b.{form}", *words, service="glance", **FLEX)
            log = self.log("SJC3", "glance")
            self.task(*words, **FLEX)
            # The request of the killed run, from the start, may be logged late.
            ranges = [r.range.partition("=")[2] for r in self.requests(log, image)]
            starts = [int(each.partition("-")[0]) for each in ranges]
            self.assertEqual(1, sum(start >= STALLED - 4 * MIB for start in starts), starts)
            self.assert_saved(f"b.{form}")
            self.sdk(**FLEX).image.delete_image(image)

    def test_broken_connection(self):
        """A connection that breaks is made again, with and without conversion."""
        image = self.imported("raw", **FLEX)
        for form in ("raw", "qcow2"):
            rules = self.inject(
                Rule("GET", f"/{image}/file$", range="[^0]$", drop="download", offset=MIB, times=2),
                region="SJC3",
                service="glance",
            )
            self.task("export", image, "--wait", "--file", self.out / f"c.{form}", **FLEX)
            self.assertEqual([2], rules.fired())
            self.assert_saved(f"c.{form}")

    def test_corrupt(self):
        """Data that do not match the hash of the image get no file's name."""
        image = self.imported("raw", **FLEX)
        for form, times in (("raw", 3), ("qcow2", 1)):
            rules = self.inject(
                Rule("GET", f"/{image}/file$", range=f"=0-{DISK - 1}$", corrupt=True,
                     offset=30 * MIB, times=times),
                region="SJC3",
                service="glance",
            )  # fmt: skip
            name = f"d.{form}"
            said = self.refused("export", image, "--wait", "--file", self.out / name, **FLEX)
            self.assertEqual([times], rules.fired())
            self.assertIn("their SHA512 is", said)
            self.assertEqual([self.out / f"{name}.part"], self.files())
            self.task("export", image, "--wait", "--file", self.out / name, **FLEX)
            self.assert_saved(name)

    def test_without_ranges(self):
        """A store that returns no parts: the image's own format works, another one is refused."""
        image = self.imported("raw", **FLEX)
        self.inject(
            Rule("GET", f"/{image}/file$", range=".", status=400, times=None),
            region="SJC3",
            service="glance",
        )
        broken = self.inject(
            Rule("GET", f"/{image}/file$", drop="download", offset=MIB, times=2),
            region="SJC3",
            service="glance",
        )
        self.task("export", image, "--wait", "--file", self.out / "e.raw", **FLEX)
        self.assertEqual([2], broken.fired())
        self.assert_saved("e.raw")
        path = self.out / "e.qcow2"
        said = self.refused("export", image, "--wait", "--file", path, **FLEX)
        self.assertIn("does not return parts of the data", said)
        self.assertIn("--disk-format raw`, then convert the file with `qemu-img convert`", said)
        self.assertEqual([], self.files())

    def test_save(self):
        """There are no exports to save; an object of the cloud's object store can be saved."""
        said = self.refused("save", "0123", "--file", self.out / "f.raw", **FLEX)
        self.assertIn("`openstack image task export <image> --wait --file <file>`", said)
        place, swift = f"test-{self.mark}", self.swift(**FLEX)
        swift.put_container(place)
        vhd = self.tmp / "disk.vhd"
        subprocess.run(["qemu-img", "convert", "-O", "vpc", self.raw, vhd], check=True)
        swift.put_object(place, "a.vhd", vhd.read_bytes())
        self.task("save", f"{place}/a.vhd", "--file", self.out / "f.qcow2", **FLEX)
        subprocess.run(["qemu-img", "check", "-q", self.out / "f.qcow2"], check=True)
