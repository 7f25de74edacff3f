# SPDX-License-Identifier: Apache-2.0
"""The format of a file to save: what is asked for, or what the name of the file says. Pure."""

import os
from pathlib import Path
from typing import BinaryIO

from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.jobs.arrivals import DISK_FORMATS
from rackspace_imagetasks.messages import Hint, Message

_FORMAT_OF = {
    ".vhd": "vhd", ".vpc": "vhd", ".qcow2": "qcow2", ".raw": "raw", ".img": "raw",
    ".vmdk": "vmdk", ".vdi": "vdi", ".vhdx": "vhdx", ".qed": "qed", ".qcow": "qcow", ".iso": "iso",
    ".ova": "ova", ".dmg": "dmg", ".hdd": "ploop",
}  # fmt: skip
_OF_ANY_FORMAT = ".img"

Target = str | os.PathLike[str] | BinaryIO


def format_of(target: Target, asked: str | None, own: str) -> str:
    """Return the format in which something is saved.

    :param asked: the format that the user chose; None to use the one of the file's suffix.
    :param own: the format in which it is stored: that of streams, directories and other suffixes.
    :raises Refused: if the format is neither `own` nor one that can be written.
    """
    form = asked or _FORMAT_OF.get(_suffix(target), own)
    if form != own and form not in DISK_FORMATS:
        text = (
            f"Files in the format '{form}' cannot be written. Available formats:"
            f" {', '.join(DISK_FORMATS)}."
        )
        raise Refused(Message(text, Hint.SAVE_AS_QCOW2))
    return form


def misnamed(target: Target, form: str) -> tuple[Message, ...]:
    """Return a warning if the name of a file says another format than the file will have."""
    suffix = _suffix(target)
    if suffix == _OF_ANY_FORMAT or _FORMAT_OF.get(suffix, form) == form:
        return ()
    text = f"'{target}' will be in the format '{form}', although its name ends with '{suffix}'."
    return (Message(text),)


def file_name(name: str, own: str, form: str) -> str:
    """Return the name of a file in a directory, with the suffix of another format than its own."""
    return name if form == own else f"{name.removesuffix('.' + own)}.{form}"


def _suffix(target: Target) -> str:
    if not isinstance(target, str | os.PathLike):
        return ""
    return "" if Path(target).is_dir() else Path(target).suffix.lower()
