# SPDX-License-Identifier: Apache-2.0
"""Hints in the words of the command line: the options and commands that do what a hint says."""

import shlex
from collections.abc import Mapping

from rackspace_imagetasks.exceptions import ImageTasksError
from rackspace_imagetasks.messages import Hint, Message

_CONVERT = "`openstack image vhd convert`"

WORDINGS: Mapping[Hint, str] = {
    # Containers and objects
    Hint.CHOOSE_CONTAINER: "Choose another name with --container.",
    Hint.CLEAN_CONTAINER: (
        "Run `openstack image task clean --container {container} --delete` to delete the rest."
    ),
    Hint.CREATE_CONTAINER: "Create the container with --create-container.",
    Hint.FIND_IMPORT_CONTAINER: (
        "To import a local file, check its path; otherwise, run `openstack container list` to see"
        " the available containers."
    ),
    Hint.FIND_IMPORT_OBJECT: (
        "To import a local file, check its path; otherwise, run"
        " `openstack object list {container}` to see the available objects."
    ),
    Hint.LIST_OBJECTS: "Run `openstack object list {container}` to see the available objects.",
    Hint.MOVE_EXISTING_OBJECT: (
        "Save or delete the existing object, or choose another container with --container."
    ),
    Hint.SAVE_EXISTING_OBJECT: (
        "Save the object with `openstack image task save {location} --file <file>` (add"
        " --delete-object to delete it afterwards), or choose another container with --container."
    ),
    # Images
    Hint.CHOOSE_METHOD: "Use another method, or omit --method.",
    Hint.EXPORT_IMAGE: (
        "Run `openstack image task export <image> --wait`, then specify the exported VHD as"
        " <container>/<object>."
    ),
    Hint.IMPORT_NEW_COPY: "To import another copy of it, add --new-copy.",
    Hint.LIST_IMAGES: "Run `openstack image list` to see the available images.",
    Hint.MAKE_PRIVATE: "Run `openstack image set --private <image>` first.",
    Hint.NAME_IMAGE: "Specify the name of the image with --name.",
    Hint.RETRY_WITHOUT_SETTING: (
        "Run the same command without the refused setting to apply the others."
    ),
    Hint.SAVE_AS_QCOW2: (
        "Save the disk with --disk-format qcow2 to a file that ends with '.qcow2', then convert the"
        " file with `qemu-img convert`."
    ),
    Hint.SAVE_IMAGE: (
        "To save an image, run `openstack image task export <image> --wait --file <file>`."
    ),
    Hint.SAVE_IN_OWN_FORMAT: (
        "Save the image with `openstack image task export <image> --wait --file <file>"
        " --disk-format {format}`, then convert the file with `qemu-img convert`."
    ),
    Hint.SAVE_TO_FILE_OR_AS_QCOW2: (
        "Name a file with --file, or add --disk-format qcow2 to write the disk as qcow2."
    ),
    Hint.SAVE_TO_FILE: (
        "Save the image to a file with --wait and --file <file>, without --container."
    ),
    Hint.SET_ATTRIBUTE: (
        "Use --name, --tag, --min-disk, --min-ram, --public or --private, or omit the property."
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
    Hint.RESUME_UPLOAD: "Run the same command again to upload the image again.",
    Hint.START_OVER: "The output is incomplete; run the same command again to start over.",
    # Files
    Hint.NAME_FILE: "Specify the file with --file.",
    Hint.SAVE_UNVALIDATED: "Add --no-validate to save the data anyway.",
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
        "Download the object with another tool, such as `swift download {container} {object}`."
    ),
    # Local files
    Hint.TRUNCATE_FILE: "Truncate a copy of the file with `truncate --size={size} <file>`.",
    Hint.PAD_FILE: (
        "If the file is a raw disk, it is incomplete: copy it again, or pad it with"
        " `truncate --size=%512 <file>`."
    ),
    Hint.REPLACE_FILE: "Choose another file, or replace it with --overwrite.",
    Hint.REPLACE_PART_FILE: "Remove the file, or replace it with --overwrite.",
    # Disk image formats
    Hint.DECOMPRESS_GZIP: "Decompress the file with `gunzip` first.",
    Hint.DECOMPRESS_XZ: "Decompress the file with `unxz` first.",
    Hint.DECOMPRESS_ZSTD: "Decompress the file with `unzstd` first.",
    Hint.DECOMPRESS_BZIP2: "Decompress the file with `bunzip2` first.",
    Hint.UNPACK_7Z: "Extract the disk image with `7z x` first.",
    Hint.UNPACK_ZIP: "Extract the disk image with `unzip` first.",
    Hint.UNPACK_TAR: "Extract the disk image with `tar -xf` first.",
    Hint.SPECIFY_FORMAT: "Specify the format with --source-format.",
    Hint.SPECIFY_RAW_FORMAT: "If the file is a raw disk, specify --source-format raw.",
    Hint.OMIT_FORMAT: "Omit --source-format or --no-convert.",
    Hint.FLATTEN_DISK: "Convert the disk to a single file with `qemu-img convert -O qcow2` first.",
    Hint.FLATTEN_DESCRIPTOR: (
        "Convert the disk to a single file with"
        " `qemu-img convert -O qcow2 {descriptor} <file>` first."
    ),
    Hint.FLATTEN_FROM_DESCRIPTOR: (
        "Convert the disk to a single file with `qemu-img convert -O qcow2 <descriptor> <file>`"
        " first."
    ),
    Hint.FLATTEN_PARALLELS: "Convert the disk with `qemu-img convert -f parallels -O qcow2` first.",
    Hint.FLATTEN_DMG: "Convert the disk with `qemu-img convert -f dmg -O qcow2` first.",
    Hint.DECRYPT_DISK: "Decrypt the disk with `qemu-img convert` first.",
    Hint.REPAIR_DISK: "Check the disk with `qemu-img check -r all` while no other program uses it.",
    Hint.ALLOW_TRUNCATED: (
        "Get the complete disk, or add --allow-truncated if the missing part is not needed."
    ),
    Hint.REPLAY_LOG: (
        "Replay the log of a copy with `qemu-img check -r all <copy>`, or attach and detach the"
        " disk in Hyper-V."
    ),
    # VHDs
    Hint.VALIDATE_VHD: "Run `openstack image vhd validate` to see the errors.",
    Hint.VALIDATE_OR_CONVERT_VHD: (
        f"Run `openstack image vhd validate` to see the errors, or convert the disk: {_CONVERT}."
    ),
    Hint.CONVERT_VHD: f"Convert the disk with {_CONVERT} to a VHD that XenServer can resize.",
    Hint.CONVERT_TO_VHD: f"Convert the disk to a VHD with {_CONVERT}.",
    Hint.CONVERT_RAW_TO_VHD: (
        "If the file is a raw disk, convert it to a VHD with"
        " `openstack image vhd convert --source-format raw`."
    ),
    Hint.REPAIR_VHD: f"{_CONVERT} repairs the file, using the valid footer.",
    Hint.LEAVE_ZEROS_OUT: f"{_CONVERT} leaves out blocks that contain only zeros.",
    Hint.SHRINK_OR_RAISE_LIMIT: (
        "Shrink the disk, or raise --max-virtual-size if your provider allows more."
    ),
}


def worded(message: str | Message) -> str:
    """Return a message as one printable line, its hint in the words of the command line."""
    return Message.of(message).worded(WORDINGS, shlex.quote)


def worded_error(error: ImageTasksError) -> str:
    """Return an error's messages, a line each."""
    return "\n".join(map(worded, error.messages))
