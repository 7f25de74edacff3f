# SPDX-License-Identifier: Apache-2.0
"""Tests with their own clouds of one region, in addition to the one that other tests share."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import fixtures
import keystoneauth1.exceptions
import openstack

from devcloud import operations
from devcloud.faults import Rule, inject
from devcloud.plan import Plan
from devcloud.tests import vhdfiles
from devcloud.tests.functional import base

PROGRAM = (sys.executable, "-m", "devcloud")
TIMEOUT = 60.0  # seconds
BINARY = {"Content-Type": "application/octet-stream"}


def gone(pid):
    """Return whether a process has ended, even if its parent has not waited for it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return True


class OwnCloud(base.CloudCase):
    def setUp(self):
        super().setUp()
        self.own_root = Path(self.useFixture(fixtures.TempDir()).path) / "a cloud"

    def up(self, *options, before=()):
        """Start a cloud, with the words `before` the command, and wait until it is ready."""
        where = ("--root", self.own_root, "--regions", "DFW", "--no-flex")
        arguments = (*before, *PROGRAM, "up", *where, *options)
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.assertIn(b"READY", process.stdout.readline())
        return process

    def own(self, cloud):
        files = openstack.config.OpenStackConfig(
            config_files=[str(self.own_root / "clouds.yaml")], load_envvars=False
        )
        connection = openstack.connection.Connection(config=files.get_one(cloud))
        self.addCleanup(connection.close)
        return connection

    def assert_all_gone(self, pids):
        deadline = time.monotonic() + TIMEOUT
        while not all(map(gone, pids)):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)


class TestUp(OwnCloud):
    def test_object_server_killed(self):
        """Requests fail until a dead object server is restarted; SIGTERM stops the cloud."""
        process = self.up()
        store = self.own("alice").object_store
        store.put("/container")
        operations.kill_server(self.own_root, "swift-object-DFW")
        self.assertEqual(503, store.put("/container/object", data=b"x").status_code)
        operations.restart_dead(self.own_root)
        self.assertEqual(201, store.put("/container/object", data=b"x").status_code)
        pids = operations.pids(self.own_root)
        os.kill(pids["swift-object-DFW"], signal.SIGTERM)
        self.assert_all_gone([pids["swift-object-DFW"]])
        process.terminate()
        self.assertEqual(0, process.wait(TIMEOUT))
        self.assert_all_gone(pids.values())

    def test_port_taken(self):
        """A server whose port is in use is named, and the rest of the cloud keeps running."""
        process = self.up()
        operations.kill_server(self.own_root, "swift-object-DFW")
        port = Plan.load(self.own_root).port("DFW", "object")
        with socket.create_server(("127.0.0.1", port)):
            process.send_signal(signal.SIGUSR1)
            said = next(line.decode() for line in process.stderr if b"restart" in line)
        self.assertEqual(
            f"Cannot restart DFW/object on port {port} (Address already in use).",
            said.removeprefix("devcloud: ").strip(),
        )
        operations.restart_dead(self.own_root)
        self.assertEqual(204, self.own("alice").object_store.get("").status_code)
        process.terminate()
        self.assertEqual(0, process.wait(TIMEOUT))

    def test_nohup(self):
        """A signal that is ignored when the cloud starts does not stop it."""
        process = self.up(before=("nohup",))
        process.send_signal(signal.SIGHUP)
        operations.kill_server(self.own_root, "swift-object-DFW")
        operations.restart_dead(self.own_root)
        process.terminate()
        self.assertEqual(0, process.wait(TIMEOUT))

    def test_limits(self):
        """The limits of tokens, tasks and files apply; a task can outlast its token."""
        self.up(
            "--token-seconds", "3", "--task-seconds", "4", "--step-delay", "2",
            "--segment-bytes", "1000000", "--max-physical-bytes", "3000000",
        )  # fmt: skip
        self.alice = self.own("alice")
        stale = {"X-Auth-Token": self.alice.auth_token}
        refused = self.import_(bytes(3_000_001))
        self.assert_failed("Error 609: physical size", refused)
        image = self.alice.image.create_image(
            "slow", data=vhdfiles.fixed(3 << 19), disk_format="vhd", container_format="ovf",
            validate_checksum=False,
        )  # fmt: skip
        exported = self.export(image)
        self.assertEqual("success", exported["status"], exported["message"])
        self.assert_becomes(404, f"/tasks/{refused['id']}")
        self.assert_becomes(401, "/images", headers=stale, authenticated=False)

    def assert_becomes(self, status, path, **request):
        deadline = time.monotonic() + TIMEOUT
        while self.alice.image.get(path, raise_exc=False, **request).status_code != status:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)


class TestFlex(OwnCloud):
    def test_killed_glance(self):
        """Glance without web-download is killed in an upload, and keeps its images."""
        self.up("--flex", "--import-methods", "glance-direct")
        images = self.own("flex").image
        methods = images.get("/info/import").json()["import-methods"]["value"]
        self.assertEqual(["glance-direct"], methods)
        kept = images.create_image("kept", data=b"abc", disk_format="raw", container_format="bare")
        url = f"/images/{self.uploading(images)}"
        operations.restart_dead(self.own_root)
        self.assertEqual(b"abc", images.get(f"/images/{kept.id}/file").content)
        self.assertEqual("saving", images.get(url).json()["status"])
        self.assertEqual(409, images.put(f"{url}/file", data=b"abc", headers=BINARY).status_code)
        self.assertEqual(204, images.delete(url).status_code)

    def uploading(self, images):
        """Kill Glance while it receives the data of an image, and return the ID of the image."""
        new = {"name": "lost", "disk_format": "raw", "container_format": "bare"}
        image = images.post("/images", json=new).json()["id"]
        rule = Rule("PUT", f"/{image}/file", stall=TIMEOUT, offset=1000)
        with inject(self.own_root, "SJC3", rule, service="glance") as injected:
            upload = threading.Thread(target=self.put_in_vain, args=(images, image))
            upload.start()
            self.addCleanup(upload.join)
            self.wait_until(lambda: images.get(f"/images/{image}").json()["status"] == "saving")
            operations.kill_server(self.own_root, "glance-SJC3")
        self.assertEqual([1], injected.fired())
        return image

    def put_in_vain(self, images, image):
        with contextlib.suppress(keystoneauth1.exceptions.ConnectFailure):
            images.put(f"/images/{image}/file", data=bytes(2000), headers=BINARY)

    def wait_until(self, is_reached):
        deadline = time.monotonic() + TIMEOUT
        while not is_reached():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)


class TestRun(OwnCloud):
    def run_beside(self, *command):
        where = ("--root", self.own_root, "--regions", "DFW", "--no-flex")
        arguments = (*PROGRAM, "run", *where, "--", *command)
        return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_exit_status(self):
        """The command finds the cloud, its status is returned, and no server keeps running."""
        script = 'test -s "$OS_CLIENT_CONFIG_FILE" && cat "$DEVCLOUD_ROOT/pids.json"; exit 7'
        process = self.run_beside("sh", "-c", script)
        out, _err = process.communicate(timeout=TIMEOUT)
        self.assertEqual(7, process.returncode)
        self.assertIn(b"swift-object-DFW", out)
        self.assert_all_gone(operations.pids(self.own_root).values())

    def test_signals_passed_on(self):
        """SIGTERM is passed on to the command, which determines the exit status."""
        script = "trap 'echo bye; exit 3' TERM; echo here; while :; do sleep 0.1; done"
        process = self.run_beside("sh", "-c", script)
        self.assertEqual(b"here\n", process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        out, _err = process.communicate(timeout=TIMEOUT)
        self.assertEqual((b"bye\n", 3), (out, process.returncode))

    def test_killed(self):
        """SIGKILL of the launcher ends the command and all servers."""
        process = self.run_beside("sh", "-c", "echo $$; exec sleep 1000")
        command = int(process.stdout.readline())
        pids = operations.pids(self.own_root)
        self.assertEqual(process.pid, pids.pop("launcher"))
        process.kill()
        process.communicate(timeout=TIMEOUT)
        self.assert_all_gone([command, *pids.values()])


class TestCannotStart(OwnCloud):
    def test_not_empty(self):
        """A directory that is not empty is refused and not changed."""
        self.own_root.mkdir()
        (self.own_root / "file").touch()
        arguments = (*PROGRAM, "up", "--root", self.own_root)
        ended = subprocess.run(arguments, capture_output=True, text=True, check=False)
        self.assertEqual(1, ended.returncode)
        self.assertEqual(
            f"devcloud: Directory '{self.own_root}' is not empty; choose a new directory.\n",
            ended.stderr,
        )
        self.assertEqual(["file"], [entry.name for entry in self.own_root.iterdir()])

    def test_odd_directory(self):
        """A path that the configuration of the services cannot contain is refused."""
        for odd in "%$?#\\\n":
            root = f"{self.own_root}{odd}x"
            arguments = (*PROGRAM, "up", "--root", root)
            ended = subprocess.run(arguments, capture_output=True, text=True, check=False)
            self.assertEqual(1, ended.returncode)
            self.assertIn(f"configuration files cannot contain {odd!r}", ended.stderr)
            self.assertEqual(1, ended.stderr.count("\n"))
        self.assertEqual([], list(self.own_root.parent.iterdir()))

    def test_no_extended_attributes(self):
        """A file system that Swift cannot use is refused with the reason."""
        arguments = (*PROGRAM, "up", "--root", "/proc/devcloud")
        ended = subprocess.run(arguments, capture_output=True, text=True, check=False)
        self.assertEqual(1, ended.returncode)
        self.assertIn("extended attributes", ended.stderr)
        self.assertNotIn("Traceback", ended.stderr)

    def test_logs_are_kept(self):
        """If a service does not start, the end of its log is shown, and the log is kept."""
        arguments = (*PROGRAM, "run", "--regions", "DFW", "--", "true")
        directory = self.useFixture(fixtures.TempDir()).path
        broken = os.environ | {"TMPDIR": directory, "EVENTLET_HUB": "nonsense"}
        ended = subprocess.run(arguments, capture_output=True, text=True, check=False, env=broken)
        self.assertEqual(1, ended.returncode)
        self.assertIn("No module named 'eventlet.hubs.nonsense'", ended.stderr)
        [log] = Path(directory).glob("devcloud-*/swift.out")
        self.assertIn(f"the end of {log}:", ended.stderr)

    def test_no_such_command(self):
        """A command that does not exist, or is not a program, is refused before the start."""
        for content, problem in (
            (None, "not found"),
            ("echo no interpreter", "does not begin with '#!'"),
            ("", "does not begin with '#!'"),
            ("#!/no/such/python -u", "its interpreter '/no/such/python' does not exist"),
        ):
            program = Path(self.useFixture(fixtures.TempDir()).path) / "program"
            if content is not None:
                program.write_text(content)
                program.chmod(0o755)
            arguments = (*PROGRAM, "run", "--root", self.own_root, "--", program)
            ended = subprocess.run(arguments, capture_output=True, text=True, check=False)
            self.assertEqual(1, ended.returncode)
            self.assertIn(problem, ended.stderr)
            self.assertIn(f"'{program}'", ended.stderr)
            self.assertEqual(1, ended.stderr.count("\n"))
            self.assertFalse(self.own_root.exists())
