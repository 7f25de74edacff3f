# SPDX-License-Identifier: Apache-2.0
"""The start-up time that the plugin adds to `openstack`: two installations, one without it."""

import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from importlib import metadata
from pathlib import Path

import rackspace_imagetasks
from benchmarks.measure import compare, print_table

_ROUNDS = 9
_LOAD = """
import argparse, importlib, sys, time, openstack, cliff.lister, cliff.show, osc_lib.command.command
start = time.process_time()
for module in sys.argv[1:]:
    importlib.import_module(module)
print(time.process_time() - start)
"""


def main() -> None:
    """Print a table of complete commands, which vary, and the time of the imports alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = _installation(folder / "without", plugin=False)
        extended = _installation(folder / "with", plugin=True)
        _version(plain, extended)
        _help(extended)
        _loading_alone(extended)


def _version(plain: Path, extended: Path) -> None:
    command = ("-m", "openstackclient.shell", "--version")
    results = compare(
        {"without the plugin": [plain, *command], "with the plugin": [extended, *command]},
        rounds=_ROUNDS,
    )
    print_table("`openstack --version`", [*results.values()], results["without the plugin"])


def _help(python: Path) -> None:
    """Compare commands that do nothing but start: the client's, and the largest of the plugin."""
    names = ("--version", "image create --help", "image task import --help")
    results = compare(
        {name: [python, "-m", "openstackclient.shell", *name.split()] for name in names},
        rounds=_ROUNDS,
    )
    print_table("`openstack` with one command", [*results.values()], results["--version"])


def _loading_alone(python: Path) -> None:
    entries = metadata.distribution("rackspace-imagetasks").entry_points
    commands = [entry.module for entry in entries if entry.group.endswith(".v2")]
    (plugin,) = (entry.module for entry in entries if entry.group == "openstack.cli.extension")
    print("\nMedian CPU time of the imports in ms, in addition to those of python-openstackclient:")
    print(f"plugin {_load(python, [plugin]):.1f}, commands {_load(python, commands):.1f}.")


def _load(python: Path, modules: list[str]) -> float:
    """Return the CPU time in milliseconds of the imports in a new process."""
    command = [python, "-c", _LOAD, *modules]
    return 1000 * statistics.median(
        float(subprocess.check_output(command, text=True)) for _ in range(_ROUNDS)
    )


def _installation(folder: Path, *, plugin: bool) -> Path:
    """Create an environment with links to the packages of this one, and return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    paths = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", vars=paths))
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if "rackspace_imagetasks" not in package.name and package.suffix != ".pth":
            (packages / package.name).symlink_to(package)
    if plugin:
        _install(packages)
    return folder / "bin" / "python"


def _install(packages: Path) -> None:
    """Install the plugin as pip does, but not in editable mode."""
    (source,) = rackspace_imagetasks.__path__
    shutil.copytree(source, packages / "rackspace_imagetasks")
    (facts,) = Path(sysconfig.get_path("purelib")).glob("rackspace_imagetasks-*.dist-info")
    (packages / facts.name).symlink_to(facts)
