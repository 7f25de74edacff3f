# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share, and their values."""

import argparse
import typing

from osc_lib.cli import parseractions

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import parsers

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

    from rackspace_imagetasks.imagetasks import ImageTasks
    from rackspace_imagetasks.jobs.options import DiskOptions, SaveOptions, StagingOptions
    from rackspace_imagetasks.objects.connections import Connections
    from rackspace_imagetasks.objects.data_transfer import TransferOptions
    from rackspace_imagetasks.objects.meter import RateLimit

MAX_SECONDS = 1e9  # more than any wait can take
STDOUT = "-"
"""The value of --file for standard output."""
# The default of `disk_formats` in Glance's configuration, and the format of QEMU that it lacks.
_DISK_FORMATS = (
    *("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop"),
    "qed",
)


def add_image_arguments(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add <image>, and --property to select images instead of naming them."""
    parser.add_argument("image", metavar="<image>", type=not_empty, nargs="*", help=help_text)
    parser.add_argument(
        "--property",
        metavar="<key=value>",
        action=parseractions.KeyValueAction,
        help=_("Select images by property instead of by name (repeat to narrow the selection)"),
    )


def check_image_arguments(parsed_args: argparse.Namespace) -> None:
    """Check that images are either named or selected.

    :raises UsageError: if they are neither or both.
    """
    from rackspace_imagetasks.osc.usage import UsageError

    if parsed_args.image and parsed_args.property:
        raise UsageError("Specify images or select them with --property <key=value>, but not both.")
    if not parsed_args.image and not parsed_args.property:
        raise UsageError("Specify images, or select them with --property <key=value>.")


def image_cells(image: str) -> dict[str, object]:
    """Return what a row tells of an image, named by name or ID, before it is looked up."""
    from uuid import UUID

    try:
        return {"Name": image, "Image": str(UUID(image))}
    except ValueError:
        return {"Name": image}


def images_of(tasks: "ImageTasks", parsed_args: argparse.Namespace) -> list[str]:
    """Return the named images, or the IDs of those that --property selects, each once.

    :raises Refused: if no image is selected.
    """
    from rackspace_imagetasks.batch import run_each

    if parsed_args.property:
        return _selected(tasks, parsed_args.property)
    if len(parsed_args.image) == 1:
        return [parsed_args.image[0]]
    once: dict[str, str] = {}
    images, concurrency = parsed_args.image, parsed_args.concurrency
    for found in run_each(images, tasks.image_id, concurrency=concurrency):
        # An image that cannot be found is reported when its turn comes.
        once.setdefault(found.result or found.subject, found.subject)
    return list(once.values())


def _selected(tasks: "ImageTasks", properties: dict[str, str]) -> list[str]:
    from rackspace_imagetasks.exceptions import Refused

    images = tasks.select(properties)
    if not images:
        wanted = ", ".join(f"{key}={value}" for key, value in properties.items())
        raise Refused(
            f"No image of your project in region '{tasks.cloud.region}' has {wanted}. Run"
            " `openstack image show <image>` to see an image's properties."
        )
    return images


def add_wait_options(parser: argparse.ArgumentParser, *, always: bool = False) -> None:
    """Add --wait, unless the command always waits, --timeout, and --poll-interval."""
    group = parser.add_argument_group(parsers.WAIT)
    if not always:
        group.add_argument(
            "--wait",
            action="store_true",
            help=_("Wait for the task to finish (default: do not wait)"),
        )
    group.add_argument(
        "--timeout",
        metavar="<seconds>",
        type=seconds,
        help=_(
            "Maximum number of seconds to wait for each task; a task that takes longer continues"
            " in the cloud (default: no limit)"
        ),
    )
    group.add_argument(
        "--poll-interval",
        metavar="<seconds>",
        type=seconds,
        help=_(
            "Number of seconds between status requests (default: the provider's minimum; 30 in a"
            " cloud with image tasks, otherwise 2)"
        ),
    )


def wait_problems(parsed_args: argparse.Namespace) -> "Iterator[str]":
    """Yield a sentence if --timeout has no effect."""
    if parsed_args.timeout and not parsed_args.wait:
        yield "--timeout requires --wait."


def add_disk_format_option(parser: argparse.ArgumentParser) -> None:
    """Add --disk-format."""
    parser.add_argument_group(parsers.DISK).add_argument(
        "--disk-format",
        metavar="<format>",
        type=disk_format,
        help=_(
            "Format of the new image: qcow2, raw or vhd (default: what the cloud expects; a cloud"
            " with image tasks accepts only vhd)"
        ),
    )


def add_method_option(parser: argparse.ArgumentParser) -> None:
    """Add --method."""
    parser.add_argument_group(parsers.TRANSFER).add_argument(
        "--method",
        metavar="<method>",
        choices=("auto", "direct", "web-download"),
        default="auto",
        help=_(
            "How a cloud without image tasks gets the data: 'direct' streams it to the Image"
            " service, 'web-download' uploads it to the Object Store, from where the Image service"
            " downloads it, and 'auto' (default) uses 'web-download' from 1 GiB on, if the cloud"
            " has it"
        ),
    )


def add_save_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add --file and its related options."""
    group = parser.add_argument_group(parsers.SAVE)
    group.add_argument(
        "--file",
        metavar="<file>",
        type=file_name,
        required=required,
        help=_(
            "File to save to; a directory to use the object's name or the image's ID, or - for"
            " standard output"
        ),
    )
    group.add_argument(
        "--disk-format",
        metavar="<format>",
        type=disk_format,
        help=_(
            "Format of the file: vhd, qcow2 or raw (default: the one that the suffix of <file>"
            " names, .vhd, .qcow2, .raw or .img, otherwise the format of the export or the image)."
            " It takes precedence over the suffix. For other formats, save as qcow2 and convert the"
            " file with qemu-img."
        ),
    )
    group.add_argument(
        "--overwrite", action="store_true", help=_("Replace an existing file with other content")
    )
    group.add_argument(
        "--no-validate",
        action="store_true",
        help=_(
            "Save the data even if they are not a valid VHD, or not in the format of the image"
            " (checksums are still verified)"
        ),
    )
    group.add_argument(
        "--delete-object",
        action="store_true",
        help=_("Delete the object and its segments once the file is complete"),
    )


def check_save_options(parsed_args: argparse.Namespace, subjects: "Sequence[str]") -> None:
    """Check that several objects are not saved to one file.

    :raises UsageError: if they would be.
    """
    from collections import Counter
    from pathlib import Path, PurePosixPath

    from rackspace_imagetasks.osc.usage import UsageError

    if len(subjects) > 1 and parsed_args.file and not Path(parsed_args.file).is_dir():
        raise UsageError(
            "Several objects cannot be saved to one file; specify a directory with --file."
        )
    names = Counter(PurePosixPath(subject).name for subject in subjects if "/" in subject)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise UsageError(*(f"More than one object would be saved as '{name}'." for name in twice))


def save_options(parsed_args: argparse.Namespace, stdout: "TextIO") -> "SaveOptions":
    """Return the values of --file and its related options.

    :param stdout: the stream for `--file -`.
    """
    from rackspace_imagetasks.jobs.options import SaveOptions

    return SaveOptions(
        target=stdout.buffer if parsed_args.file == STDOUT else parsed_args.file,
        overwrite=parsed_args.overwrite,
        validate=not parsed_args.no_validate,
        delete_object=parsed_args.delete_object,
        disk_format=parsed_args.disk_format,
    )


def add_transfer_options(parser: argparse.ArgumentParser, *, upload: bool = False) -> None:
    """Add --threads and --limit-rate, and --cleanup for an upload."""
    group = parser.add_argument_group(parsers.TRANSFER)
    group.add_argument(
        "--threads",
        metavar="<number>",
        type=connections,
        default="auto",  # a string, so that argparse calls the type for it, too
        help=_(
            "Number of segments to transfer at the same time, of all images together (default: 4,"
            " and up to 16 while that makes the transfer faster)"
        ),
    )
    group.add_argument(
        "--limit-rate",
        metavar="<size>",
        type=rate_limit,
        help=_("Maximum bytes per second, such as 10MiB (default: no limit)"),
    )
    if not upload:
        return
    group.add_argument(
        "--cleanup",
        action="store_true",
        help=_(
            "Delete the uploaded segments if the upload fails (default: keep them until they"
            " expire, so that the upload can be resumed)"
        ),
    )


def transfer_options(parsed_args: argparse.Namespace) -> "TransferOptions":
    """Return the values of --threads, --limit-rate and --cleanup."""
    from rackspace_imagetasks.objects.data_transfer import TransferOptions

    return TransferOptions(
        parsed_args.threads, parsed_args.limit_rate, getattr(parsed_args, "cleanup", False)
    )


def staging_options(parsed_args: argparse.Namespace) -> "StagingOptions":
    """Return the values of --container, --create-container and --keep-object."""
    from rackspace_imagetasks.jobs.options import StagingOptions

    return StagingOptions(
        container=parsed_args.container,
        create_container=parsed_args.create_container,
        keep_object=bool(parsed_args.keep_object),
    )


def add_truncated_option(parser: argparse.ArgumentParser) -> None:
    """Add --allow-truncated."""
    parser.add_argument_group(parsers.DISK).add_argument(
        "--allow-truncated",
        action="store_true",
        help=_("Accept a disk that is shorter than its partitions or its file system"),
    )


def add_inspect_option(parser: argparse.ArgumentParser) -> None:
    """Add --no-inspect."""
    parser.add_argument_group(parsers.DISK).add_argument(
        "--no-inspect",
        action="store_true",
        help=_("Do not look inside the disk; licences are then judged by properties alone"),
    )


def disk_options(parsed_args: argparse.Namespace) -> "DiskOptions":
    """Return the values of the options that say how a disk is read and judged."""
    from rackspace_imagetasks.jobs.options import DiskOptions

    return DiskOptions(
        format=parsed_args.source_format,
        convert=not parsed_args.no_convert,
        allow_truncated=parsed_args.allow_truncated,
        inspect=not parsed_args.no_inspect,
        boot_profile=parsed_args.boot_profile,
    )


def add_limit_options(parser: argparse.ArgumentParser) -> None:
    """Add --max-virtual-size and --max-physical-size."""
    group = parser.add_argument_group(parsers.DISK)
    group.add_argument(
        "--max-virtual-size",
        metavar="<size>",
        type=size,
        help=_(
            "Largest disk that the provider accepts, such as 160GiB (default: 40GiB in a cloud with"
            " image tasks, otherwise no limit)"
        ),
    )
    group.add_argument(
        "--max-physical-size",
        metavar="<size>",
        type=size,
        help=_("Largest VHD file that the provider accepts, such as 160GiB (default: 40GiB)"),
    )


def add_concurrency_option(parser: argparse.ArgumentParser) -> None:
    """Add --concurrency."""
    parser.add_argument(
        "--concurrency",
        metavar="<number>",
        type=positive_number,
        default=4,
        help=_("Maximum number of concurrent jobs (default: 4)"),
    )


def add_dry_run_option(parser: argparse.ArgumentParser) -> None:
    """Add --dry-run."""
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help=_("Check everything and show what would be done, but change nothing"),
    )


def file_name(text: str) -> str:
    """Refuse an empty name of a file, for argparse: a path would take it for the directory."""
    if not text:
        raise argparse.ArgumentTypeError(_("the name of a file cannot be empty"))
    return text


def not_empty(text: str) -> str:
    """Refuse an empty name or ID, such as that of a variable that is not set, for argparse."""
    if not text:
        raise argparse.ArgumentTypeError(_("the value cannot be empty"))
    return text


def disk_format(text: str) -> str:
    """Refuse what is no disk format, for argparse; the job knows which disk formats it can make."""
    if text not in _DISK_FORMATS:
        raise argparse.ArgumentTypeError(
            _("'%s' is not a disk format; specify qcow2, raw or vhd") % text
        )
    return text


def seconds(text: str) -> float:
    """Parse a number of seconds greater than 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < MAX_SECONDS:
        raise argparse.ArgumentTypeError(
            _("'%s' is not a number of seconds greater than 0, such as 300 for 5 minutes") % text
        )
    return value


def size(text: str) -> int:
    """Parse a size such as 40GiB into bytes, for argparse."""
    from rackspace_imagetasks.text import parse_size

    try:
        value = parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if not value:
        raise argparse.ArgumentTypeError(_("a size must be greater than 0"))
    return value


def rate_limit(text: str) -> "RateLimit":
    """Parse a size per second, for argparse; all jobs of the command share the limit."""
    from rackspace_imagetasks.objects.meter import RateLimit

    return RateLimit(size(text))


def connections(text: str) -> "Connections":
    """Parse a number of connections or `auto`, for argparse; all jobs of the command share them."""
    from rackspace_imagetasks.objects.connections import Connections

    return Connections(None if text == "auto" else positive_number(text))


def number(text: str) -> int:
    """Parse a whole number, 0 or more, for argparse."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(_("'%s' is not a whole number") % text)
    return int(text)


def positive_number(text: str) -> int:
    """Parse a whole number greater than 0, for argparse."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(_("'%s' is not a whole number greater than 0") % text)
    return int(text)
