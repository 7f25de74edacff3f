# SPDX-License-Identifier: Apache-2.0
"""The interface that python-openstackclient requires of a plugin, and nothing else."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from osc_lib.clientmanager import ClientManager

    from rackspace_imagetasks.imagetasks import ImageTasks

API_NAME = "rackspace_imagetasks"
API_VERSION_OPTION = "os_rackspace_imagetasks_api_version"
API_VERSIONS = ("2",)
DEFAULT_API_VERSION = "2"


def make_client(instance: "ClientManager") -> "ImageTasks":
    """Return the client that osc-lib keeps as `client_manager.rackspace_imagetasks`.

    The commands of this package create clients of their own from their options.
    """
    from rackspace_imagetasks.imagetasks import ImageTasks

    return ImageTasks(instance.sdk_connection)


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add no global option: Glance's API has one version with tasks.

    The client calls this before it logs anything, such as the login's options.
    """
    from rackspace_imagetasks.osc.secrets import mask_log

    mask_log()
    return parser
