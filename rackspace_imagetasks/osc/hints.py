# SPDX-License-Identifier: Apache-2.0
"""How the commands word hints: with their own options, and other commands of the client."""

from collections.abc import Mapping

from rackspace_imagetasks.messages import Hint

WORDINGS: Mapping[Hint, str] = {
    # Images
    Hint.LIST_IMAGES: "Run `openstack image list` to see the available images.",
    # Tasks
    Hint.WAIT_AGAIN: "Run `openstack image task wait {tasks}` to follow it.",
}
