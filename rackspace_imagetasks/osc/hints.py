# SPDX-License-Identifier: Apache-2.0
"""The commands' wordings of hints: they name options and shell commands."""

import contextlib
from collections.abc import Iterator, Mapping

from rackspace_imagetasks.exceptions import ImageTasksError
from rackspace_imagetasks.messages import Hint, Message

_CONVERT = "`openstack image vhd convert`"

WORDINGS: Mapping[Hint, str] = {
    # Local files
    Hint.TRUNCATE_FILE: "Truncate a copy of the file with `truncate --size={size} <file>`.",
    Hint.PAD_FILE: (
        "If it is a raw disk, it is incomplete: copy it again, or pad it with"
        " `truncate --size=%512 <file>`."
    ),
    Hint.REPLACE_FILE: "Choose another file, or replace it with --overwrite.",
    Hint.REPLACE_PART_FILE: "Remove it, or replace it with --overwrite.",
    # Disk image formats
    Hint.DECOMPRESS_GZIP: "Decompress it with `gunzip` first.",
    Hint.DECOMPRESS_XZ: "Decompress it with `unxz` first.",
    Hint.DECOMPRESS_ZSTD: "Decompress it with `unzstd` first.",
    Hint.DECOMPRESS_BZIP2: "Decompress it with `bunzip2` first.",
    Hint.UNPACK_7Z: "Extract the disk image with `7z x` first.",
    Hint.UNPACK_ZIP: "Extract the disk image with `unzip` first.",
    Hint.UNPACK_TAR: "Extract the disk image with `tar -xf` first.",
    Hint.SPECIFY_FORMAT: "Specify the format with --source-format.",
    Hint.SPECIFY_RAW_FORMAT: "If it is a raw disk, specify --source-format raw.",
    Hint.OMIT_FORMAT: "Omit --source-format or --no-convert.",
    Hint.FLATTEN_DISK: "Convert it to a single file with `qemu-img convert -O qcow2` first.",
    Hint.FLATTEN_DESCRIPTOR: (
        "Convert the disk to a single file with `qemu-img convert -O qcow2` first, from"
        " {descriptor}."
    ),
    Hint.FLATTEN_PARALLELS: "Convert it with `qemu-img convert -f parallels -O qcow2` first.",
    Hint.FLATTEN_DMG: "Convert it with `qemu-img convert -f dmg -O qcow2` first.",
    Hint.DECRYPT_DISK: "Decrypt it with `qemu-img convert` first.",
    Hint.REPAIR_DISK: "Check it with `qemu-img check -r all` while no other program uses it.",
    Hint.REPLAY_LOG: (
        "Replay the log of a copy with `qemu-img check -r all <copy>`, or attach and detach the"
        " disk in Hyper-V."
    ),
    # VHDs
    Hint.CONVERT_VHD: f"Convert it with {_CONVERT} to a VHD that XenServer can resize.",
    Hint.CONVERT_TO_VHD: f"Convert it to a VHD with {_CONVERT}.",
    Hint.CONVERT_RAW_TO_VHD: (
        "If it is a raw disk, convert it to a VHD with"
        " `openstack image vhd convert --source-format raw`."
    ),
    Hint.REPAIR_VHD: f"{_CONVERT} repairs the file, using the valid footer.",
    Hint.LEAVE_ZEROS_OUT: f"{_CONVERT} leaves out blocks that contain only zeros.",
    Hint.SHRINK_OR_RAISE_LIMIT: (
        "Shrink the disk, or raise --max-virtual-size if your provider allows more."
    ),
}


def in_words(said: object) -> str:
    """Return an error, a message or a text as lines, with the commands' hints."""
    if isinstance(said, ImageTasksError):
        return "\n".join(map(in_words, said.messages))
    return said.worded(WORDINGS) if isinstance(said, Message) else str(said)


@contextlib.contextmanager
def command_hints() -> Iterator[None]:
    """Give the errors of a command the commands' hints."""
    try:
        yield
    except ImageTasksError as error:
        error.args = (in_words(error),)
        raise
