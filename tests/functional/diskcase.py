# SPDX-License-Identifier: Apache-2.0
"""Disks with a file system, made and compared by other programs."""

import os
import resource
import shutil
import subprocess

REQUIRE_QEMU = "RACKSPACE_IMAGETASKS_REQUIRE_QEMU"


class DiskCase:
    """Helpers of a `ProcessTestCase`."""

    def require_programs(self, *programs):
        missing = [program for program in programs if not shutil.which(program)]
        if missing and not os.environ.get(REQUIRE_QEMU):
            self.skipTest(f"{' and '.join(missing)} not installed")
        self.assertEqual([], missing)

    def partitioned(self):
        """Make a disk of 48 MiB with an MBR and one ext4 partition with files in it."""
        files, raw = self.tmp / "files", self.tmp / "disk.raw"
        if raw.exists():
            return raw
        files.mkdir()
        (files / "noise").write_bytes(os.urandom(5 << 20))
        raw.touch()
        os.truncate(raw, 48 << 20)
        subprocess.run(["sfdisk", "-q", raw], input=b"1MiB,,L,*\n", check=True)
        place = ["-E", f"offset={1 << 20}", raw, "47M"]
        subprocess.run(["mkfs.ext4", "-q", "-F", "-d", files, *place], check=True)
        return raw

    def assert_same_disk(self, first, first_format, second, second_format):
        """Compare two disks by QEMU."""
        compared = subprocess.run(
            ["qemu-img", "compare", "-f", first_format, "-F", second_format, first, second],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual("Images are identical.\n", compared.stdout.splitlines(True)[-1], compared)

    def without_writing(self, *words, **how):
        """Run a command where no file can grow, none be made in its directory, and no /tmp be."""
        here = self.tmp / "read-only"
        here.mkdir(exist_ok=True)
        here.chmod(0o555)
        process = self.start(
            *("image", "task", *words),
            cwd=here,
            env=os.environ | {"TMPDIR": "/nonexistent", "HOME": "/nonexistent"},
            preexec_fn=_no_file_may_grow,
            **how,
        )
        _output, said = process.communicate(timeout=120)
        self.assertEqual(0, process.returncode, said)
        self.assertEqual([], list(here.iterdir()))


def _no_file_may_grow():
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
