# SPDX-License-Identifier: Apache-2.0
"""Run the named benchmarks, or all: each is a module of this package with a function `main`."""

import compileall
import importlib
import pkgutil
import sys

import benchmarks
import rackspace_imagetasks

_NOT_BENCHMARKS = {
    "__main__", "cloud", "disks", "engine", "floor", "fuzz", "line", "measure", "sink",
}  # fmt: skip


def main(names: list[str]) -> None:
    known = {module.name for module in pkgutil.iter_modules(benchmarks.__path__)}
    known -= _NOT_BENCHMARKS
    unknown = set(names) - known
    if unknown:
        sys.exit(
            f"Unknown benchmark: {', '.join(sorted(unknown))}."
            f" Available benchmarks: {', '.join(sorted(known))}."
        )
    # Compile as pip does, even if the environment stops Python from writing bytecode.
    compileall.compile_dir(rackspace_imagetasks.__path__[0], quiet=1)
    for name in names or sorted(known):
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
