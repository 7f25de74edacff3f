# SPDX-License-Identifier: Apache-2.0
"""Hints in the words of the command line: the options and commands that do what a hint says."""

import shlex
from collections.abc import Mapping

from rackspace_imagetasks.exceptions import ImageTasksError
from rackspace_imagetasks.messages import Hint, Message

WORDINGS: Mapping[Hint, str] = {
    # Containers and objects
    Hint.CHECK_OBJECT: "Check that the container and the object exist in this region.",
    Hint.CHOOSE_CONTAINER: "Choose another name with --container.",
    Hint.CLEAN_CONTAINER: (
        "Run `openstack image task clean --container {container} --delete` to delete the rest."
    ),
    Hint.CREATE_CONTAINER: "Create it with --create-container.",
    Hint.LIST_OBJECTS: "Run `openstack object list {container}` to see the available objects.",
    Hint.MOVE_EXISTING_OBJECT: (
        "Save or delete the existing object, or choose another container with --container."
    ),
    Hint.SAVE_EXISTING_OBJECT: (
        "Save it with `openstack image task save {location} --file <file>` (add --delete-object to"
        " delete it afterwards), or choose another container with --container."
    ),
    # Images
    Hint.LIST_IMAGES: "Run `openstack image list` to see the available images.",
    Hint.MAKE_PRIVATE: "Run `openstack image set --private <image>` first.",
    Hint.NAME_IMAGE: "Name the image with --name.",
    Hint.NAME_IMAGE_BY_ID: "Name the image by its ID.",
    Hint.RETRY_WITHOUT_SETTING: (
        "Run the same command without the refused setting to apply the others."
    ),
    Hint.SET_ATTRIBUTE: (
        "Use --name, --tag, --min-disk, --min-ram, --public or --private, or leave it out."
    ),
    Hint.WAIT_FOR_IMAGE: "Add --wait.",
    # Tasks
    Hint.FOLLOW_TASK: "Run `openstack image task wait {task}` to follow it.",
    Hint.FOLLOW_TASK_AND_COMPLETE: (
        "Run `openstack image task wait {task}` to follow it, or run the same command again to"
        " follow it and complete the image."
    ),
    Hint.FOLLOW_TASK_AND_SAVE: (
        "Run `openstack image task wait {task}` to follow it, or run the same command again to"
        " follow it and save the VHD."
    ),
    # Runs that were interrupted
    Hint.RESUME: "Finished work is kept; run the same command again to resume.",
    Hint.START_OVER: "The output is incomplete; run the same command again to start over.",
    # Files
    Hint.NAME_FILE: "Name the file with --file.",
    Hint.SAVE_UNVALIDATED: "Add --no-validate to save it anyway.",
    # Disks
    Hint.CONVERT_TO_VHD: "Convert the disk with `openstack image vhd convert`.",
    Hint.LEAVE_OUT_ZEROS: (
        "Convert the disk with `openstack image vhd convert`, which leaves out blocks of zeros."
    ),
    Hint.MERGE_WITH_PARENT: "Merge the disk with its parent, and import the merged disk.",
    Hint.SHRINK_DISK: "Shrink the disk, and convert it again.",
    Hint.VALIDATE_VHD: "Run `openstack image vhd validate` to see the errors.",
    Hint.VALIDATE_OR_CONVERT_VHD: (
        "Run `openstack image vhd validate` to see the errors, or convert the disk with"
        " `openstack image vhd convert`."
    ),
    Hint.WRITE_FIXED_OR_DYNAMIC_VHD: (
        "Write a fixed or dynamic VHD with the program that created it."
    ),
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
}


def worded(message: str | Message) -> str:
    """Return a message as one printable line, its hint in the words of the command line."""
    return Message.of(message).worded(WORDINGS, shlex.quote)


def worded_error(error: ImageTasksError) -> str:
    """Return an error's messages, a line each."""
    return "\n".join(map(worded, error.messages))
