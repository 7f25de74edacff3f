# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
from pathlib import Path

import setuptools


def is_version_known() -> bool:
    """Return whether pbr can find a version: in an sdist's metadata or in Git's history."""
    if Path("PKG-INFO").exists():
        return True
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return found.returncode == 0


if not is_version_known():  # such as in an archive of the sources, or where Git is not installed
    os.environ.setdefault("PBR_VERSION", "0.0.0")
setuptools.setup(setup_requires=["pbr"], pbr=True)
