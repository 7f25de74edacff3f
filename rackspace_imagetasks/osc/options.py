# SPDX-License-Identifier: Apache-2.0
"""Options that several commands have, and what they say."""

import argparse
import typing

from osc_lib.cli import parseractions

from rackspace_imagetasks.i18n import _

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from rackspace_imagetasks.imagetasks import ImageTasks
    from rackspace_imagetasks.objects.meter import RateLimit
    from rackspace_imagetasks.objects.transfer import TransferOptions

LONGEST = 1e9  # seconds; more than any wait can take
STDOUT = "-"
"""As --file: standard output."""


def add_image_arguments(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add <image> and, to select instead of naming, --property."""
    parser.add_argument("image", metavar="<image>", nargs="*", help=help_text)
    parser.add_argument(
        "--property",
        metavar="<key=value>",
        action=parseractions.KeyValueAction,
        help=_("Take all images that have this property instead (repeat to narrow)"),
    )


def images_of(tasks: "ImageTasks", parsed_args: argparse.Namespace) -> list[str]:
    """Return the images that are named, or the IDs of those that --property selects, once each.

    :raises Refused: when it is neither or both, or none is selected.
    """
    from rackspace_imagetasks.exceptions import ImageTasksError, Refused

    if parsed_args.image and parsed_args.property:
        raise Refused("Name images or select them with --property <key=value>, not both.")
    if parsed_args.property:
        return _selected(tasks, parsed_args.property)
    if not parsed_args.image:
        raise Refused("Name images, or select them with --property <key=value>.")
    if len(parsed_args.image) == 1:
        return [parsed_args.image[0]]
    once: dict[str, str] = {}
    for image in parsed_args.image:
        try:
            once.setdefault(tasks.image_id(image), image)
        except ImageTasksError:  # said when its turn comes
            once.setdefault(image, image)
    return list(once.values())


def _selected(tasks: "ImageTasks", properties: dict[str, str]) -> list[str]:
    from rackspace_imagetasks.exceptions import Refused
    from rackspace_imagetasks.text import printable

    images = tasks.select(properties)
    if not images:
        wanted = printable(", ".join(f"{key}={value}" for key, value in properties.items()))
        raise Refused(
            f"No image of your project in region '{tasks.cloud.region}' has {wanted}; `openstack"
            " image show <image>` shows an image's properties."
        )
    return images


def add_wait_options(parser: argparse.ArgumentParser) -> None:
    """Add --wait and --poll-interval."""
    parser.add_argument(
        "--wait",
        metavar="<seconds>",
        nargs="?",
        type=seconds,
        const=float("inf"),
        help=_("Wait for the task to end, at most <seconds> if given (default: do not wait)"),
    )
    add_poll_option(parser)


def timeout_of(parsed_args: argparse.Namespace) -> float | None:
    """Return the seconds that --wait allows; None is without end."""
    return None if parsed_args.wait in (None, float("inf")) else float(parsed_args.wait)


def add_poll_option(parser: argparse.ArgumentParser) -> None:
    """Add --poll-interval."""
    parser.add_argument(
        "--poll-interval",
        metavar="<seconds>",
        type=seconds,
        help=_("Seconds between two requests for status (default and least: the provider's, 30)"),
    )


def add_save_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add --file and what goes with it."""
    group = parser.add_argument_group(_("saving"))
    group.add_argument(
        "--file",
        metavar="<file>",
        required=required,
        help=_("File to save to; a directory takes the object's name, and - is standard output"),
    )
    group.add_argument(
        "--overwrite", action="store_true", help=_("Replace a file that is there already")
    )
    group.add_argument(
        "--no-validate",
        action="store_true",
        help=_("Save the object even if it is not a valid VHD (segments are compared anyway)"),
    )
    group.add_argument(
        "--delete-object",
        action="store_true",
        help=_("Delete the object and its segments once the file is complete"),
    )


def check_save_options(parsed_args: argparse.Namespace, subjects: "Sequence[str]") -> None:
    """Refuse one file for several objects.

    :raises Refused: with what to do.
    """
    from collections import Counter
    from pathlib import Path, PurePosixPath

    from rackspace_imagetasks.exceptions import Refused
    from rackspace_imagetasks.text import printable

    if len(subjects) > 1 and parsed_args.file and not Path(parsed_args.file).is_dir():
        raise Refused("Several objects do not fit one file; give a directory with --file.")
    names = Counter(PurePosixPath(subject).name for subject in subjects if "/" in subject)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise Refused(
            *(f"Two of the objects would be the same file '{printable(n)}'." for n in twice)
        )


def add_transfer_options(parser: argparse.ArgumentParser, *, upload: bool = False) -> None:
    """Add --threads and --limit-rate, and for an upload --cleanup."""
    group = parser.add_argument_group(_("transfer"))
    group.add_argument(
        "--threads",
        metavar="<number>",
        type=whole_number,
        default=4,
        help=_("How many segments to move at a time (default: 4)"),
    )
    group.add_argument(
        "--limit-rate",
        metavar="<size>",
        type=rate_limit,
        help=_("Bytes per second at most, such as 10MiB (default: no limit)"),
    )
    if not upload:
        return
    group.add_argument(
        "--cleanup",
        action="store_true",
        help=_(
            "Delete the segments sent so far when the upload fails (default: keep them for a"
            " resume; they expire by themselves)"
        ),
    )


def transfer_options(parsed_args: argparse.Namespace) -> "TransferOptions":
    """Return what --threads, --limit-rate and --cleanup say."""
    from rackspace_imagetasks.objects.transfer import TransferOptions

    return TransferOptions(
        parsed_args.threads, parsed_args.limit_rate, getattr(parsed_args, "cleanup", False)
    )


def add_limit_options(parser: argparse.ArgumentParser) -> None:
    """Add --max-virtual-size and --max-physical-size."""
    parser.add_argument(
        "--max-virtual-size",
        metavar="<size>",
        type=size,
        help=_("Largest disk that the provider takes, such as 160GiB (default: 40GiB)"),
    )
    parser.add_argument(
        "--max-physical-size",
        metavar="<size>",
        type=size,
        help=_("Largest VHD file that the provider takes, such as 160GiB (default: 40GiB)"),
    )


def add_concurrency_option(parser: argparse.ArgumentParser) -> None:
    """Add --concurrency."""
    parser.add_argument(
        "--concurrency",
        metavar="<number>",
        type=whole_number,
        default=4,
        help=_("How many of several to work on at a time (default: 4)"),
    )


def add_dry_run_option(parser: argparse.ArgumentParser) -> None:
    """Add --dry-run."""
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help=_("Check everything and say what would be done, but change nothing"),
    )


def seconds(text: str) -> float:
    """Read a number of seconds over 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < LONGEST:
        raise argparse.ArgumentTypeError(_("'%s' is not a number of seconds over 0") % text)
    return value


def size(text: str) -> int:
    """Read a size such as 40GiB in bytes, for argparse."""
    from rackspace_imagetasks.text import parse_size

    try:
        value = parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if not value:
        raise argparse.ArgumentTypeError(_("a size must be over 0"))
    return value


def rate_limit(text: str) -> "RateLimit":
    """Read a size a second, for argparse; all subjects of the command share the limit."""
    from rackspace_imagetasks.objects.meter import RateLimit

    return RateLimit(size(text))


def number(text: str) -> int:
    """Read a whole number, 0 or more, for argparse."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(_("'%s' is not a whole number") % text)
    return int(text)


def whole_number(text: str) -> int:
    """Read a whole number over 0, for argparse."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(_("'%s' is not a whole number over 0") % text)
    return int(text)
