# SPDX-License-Identifier: Apache-2.0
"""Upload 2 GiB of random data to a sink and to a real Swift, compared with other programs."""

import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks import cloud, sink
from benchmarks.disks import GIB, MIB, random_file
from benchmarks.measure import Command, compare, print_table

SEGMENT = 128 * MIB
OURS = "rackspace-imagetasks, 4 threads"
SWIFTCLIENT = "python-swiftclient, 4 threads"
SDK = "openstacksdk create_object"
BIN = Path(sys.executable).parent
_MD5 = [sys.executable, "-m", "benchmarks.disks"]


def main() -> None:
    """Print a table for HTTP, one for TLS and one for Swift."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = random_file(folder / "disk", 2 * GIB)
        for tls in (False, True):
            _to_sink(folder, file, tls=tls)
        _to_swift(folder, file)


def _to_sink(folder: Path, file: Path, *, tls: bool) -> None:
    with sink.running(sink.Facts.of(file, SEGMENT), folder, tls=tls) as address:
        ca = folder / "certificate.pem" if tls else None
        results = compare(commands(address, file, ca), rounds=2)
    title = f"Upload of 2 GiB to a sink, {'TLS' if tls else 'HTTP'}"
    print_table(title, [*results.values()], results[OURS])


def _to_swift(folder: Path, file: Path) -> None:
    with cloud.running(folder / "cloud") as region:

        def prepare() -> None:
            region.empty()
            region.connection.object_store.create_container(
                "sdk"
            )  # openstacksdk does not create it

        known = commands(region.address, file, None, region.token)
        selected = {name: known[name] for name in (OURS, SWIFTCLIENT, SDK)}
        results = compare(selected, rounds=2, before=prepare)
    print_table("Upload of 2 GiB to a real Swift", [*results.values()], results[OURS])


def commands(address: str, file: Path, ca: Path | None, token: str = "any") -> dict[str, Command]:
    """Return the command of each program."""
    engine = [sys.executable, "-m", "benchmarks.engine"]
    options = ["--token", token, *(["--ca", ca] if ca else [])]
    swift = [BIN / "swift", "--os-storage-url", address, "--os-auth-token", token]
    openstack = [
        BIN / "openstack", "--os-auth-type", "admin_token", "--os-token", token,
        "--os-endpoint", address,
    ]  # fmt: skip
    cacert = ["--os-cacert", ca] if ca else []
    found: dict[str, Command] = {
        f"rackspace-imagetasks, {threads} threads": [
            *engine, "upload", address, "ours/disk", file, *options, "--threads", str(threads),
        ]
        for threads in (4, 8)
    }  # fmt: skip
    found[SWIFTCLIENT] = [
        *swift, *cacert, "upload", "--quiet", "--segment-size", str(SEGMENT), "--use-slo",
        "--segment-threads", "4", "--object-name", "disk", "swiftclient", file,
    ]  # fmt: skip
    found[SDK] = [
        *engine, "sdk-upload", address, "sdk/disk", file, *options,
    ]  # fmt: skip
    found["openstack object create, no MD5"] = [
        *openstack, *cacert, "object", "create", "--name", "disk", "osc", file,
    ]  # fmt: skip
    if shutil.which("rclone"):
        found["rclone, 128 MiB chunks"] = [
            *rclone_settings("sink", address, token),
            "rclone", "copyto", *(["--ca-cert", ca] if ca else []), file, "sink:rclone/disk",
        ]  # fmt: skip
    found["MD5 alone"] = [*_MD5, file]
    return found


def rclone_settings(remote: str, address: str, token: str) -> list[str]:
    """Return the beginning of a command that defines an rclone remote in the environment."""
    settings = {
        "TYPE": "swift", "STORAGE_URL": address, "AUTH_TOKEN": token, "CHUNK_SIZE": "128Mi",
    }  # fmt: skip
    names = (f"RCLONE_CONFIG_{remote.upper()}_{key}={value}" for key, value in settings.items())
    return ["env", "RCLONE_LOG_LEVEL=ERROR", *names]
