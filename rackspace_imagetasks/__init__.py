# SPDX-License-Identifier: Apache-2.0
"""Move virtual machine images in and out of a Rackspace-style OpenStack cloud.

The names here are loaded when they are first used: the `openstack` client imports this package on
every call.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rackspace_imagetasks.batch import Outcome, run_each
    from rackspace_imagetasks.exceptions import ImageTasksError
    from rackspace_imagetasks.glance.settings import ImageSettings
    from rackspace_imagetasks.imagetasks import ImageTasks
    from rackspace_imagetasks.objects.transfer import TransferOptions
    from rackspace_imagetasks.profile import RACKSPACE, ProviderProfile
    from rackspace_imagetasks.progress import Phase, Progress

__all__ = [
    "RACKSPACE",
    "ImageSettings",
    "ImageTasks",
    "ImageTasksError",
    "Outcome",
    "Phase",
    "Progress",
    "ProviderProfile",
    "TransferOptions",
    "run_each",
]

_HOMES = {
    "ImageSettings": "glance.settings",
    "ImageTasks": "imagetasks",
    "ImageTasksError": "exceptions",
    "Phase": "progress",
    "Progress": "progress",
    "ProviderProfile": "profile",
    "RACKSPACE": "profile",
    "Outcome": "batch",
    "TransferOptions": "objects.transfer",
    "run_each": "batch",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
