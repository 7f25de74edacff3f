# SPDX-License-Identifier: Apache-2.0
"""Hints in the words of the command line: which command to run, which option to set."""

from collections.abc import Mapping

from rackspace_imagetasks.messages import Hint

#: `{name}` stands for one of the values of the message; a hint without wording keeps its own.
WORDINGS: Mapping[Hint, str] = {
    # Objects
    Hint.CHECK_NETWORK: (
        "Check the network between this machine and the service, then run the command again."
    ),
    Hint.DELETE_BY_NAME: (
        "Delete the segments by their names with `openstack object delete {container} <object>`."
    ),
    Hint.FREE_SPACE: "Free up space, or choose another location with --file.",
    Hint.TRY_AGAIN: "Run the command again.",
    Hint.USE_SWIFTCLIENT: (
        "Download it with another tool, such as `swift download {container} {object}`."
    ),
    # Images
    Hint.LIST_IMAGES: "Run `openstack image list` to see the available images.",
    # Tasks
    Hint.WAIT_AGAIN: "Run `openstack image task wait {tasks}` to follow it.",
}
