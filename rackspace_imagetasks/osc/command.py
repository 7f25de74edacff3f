# SPDX-License-Identifier: Apache-2.0
"""What the commands share: the client, progress on stderr, signals, errors as exit statuses."""

import argparse
import contextlib
import typing

from cliff import columns
from osc_lib.command import command

from rackspace_imagetasks.osc import options

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from openstack.connection import Connection

    from rackspace_imagetasks.exceptions import TaskTimeout
    from rackspace_imagetasks.imagetasks import ImageTasks
    from rackspace_imagetasks.jobs.saves import SaveResult
    from rackspace_imagetasks.profile import ProviderProfile


Table = tuple[tuple[str, ...], list[tuple[object, ...]]]
"""What a Lister's `take_action` gives: titles and rows."""

S = typing.TypeVar("S")
R = typing.TypeVar("R")


class SizeColumn(columns.FormattableColumn[int | None]):
    """A size: in units for people, in bytes for machines."""

    def human_readable(self) -> str:
        """Return the size in binary units."""
        from rackspace_imagetasks.text import format_size

        return "" if self._value is None else format_size(self._value)


class TextColumn(columns.FormattableColumn[object]):
    """What a service or a file said: harmless for people, unchanged for machines."""

    def human_readable(self) -> str:
        """Return it without control characters; nothing where there is nothing."""
        from rackspace_imagetasks.text import printable

        return printable("" if self._value is None else self._value)

    def machine_readable(self) -> str | None:
        """Return it as it is."""
        return None if self._value is None else str(self._value)


class BatchCommand(command.Command):
    """A command that still prints its rows when some of the work failed, and then exits with 1.

    :cvar titles: the titles of its columns.
    :ivar failed: whether anything that it was to do failed.
    """

    titles: tuple[str, ...] = ()
    failed = False

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command; 1 if anything failed."""
        from rackspace_imagetasks.osc.hints import command_hints

        with command_hints():
            _check_columns(parsed_args.columns, self.titles)
            return super().run(parsed_args) or int(self.failed)


def _check_columns(wanted: "Sequence[str]", titles: "Sequence[str]") -> None:
    """Refuse -c with no known column before the work: cliff does it after, the rows being lost."""
    from rackspace_imagetasks.exceptions import Refused

    known = {title.lower().replace(" ", "_") for title in titles}
    if wanted and known.isdisjoint(name.lower().strip().replace(" ", "_") for name in wanted):
        raise Refused(f"-c names no column that there is; there are {', '.join(titles)}.")


class ImageTaskCommand(BatchCommand):
    """A command that works on a cloud through `ImageTasks`."""

    auth_required = False  # before it runs; it logs in by itself, to say what to check if it cannot

    @contextlib.contextmanager
    def image_tasks(self, parsed_args: argparse.Namespace) -> "Iterator[ImageTasks]":
        """Give the client, set up by the common options, with progress on stderr."""
        from rackspace_imagetasks.exceptions import Cancelled
        from rackspace_imagetasks.imagetasks import ImageTasks
        from rackspace_imagetasks.jobs.resumable import RESUME_HINT
        from rackspace_imagetasks.osc import signals
        from rackspace_imagetasks.osc.progress import progress_on

        self._log_in()
        connection = self.app.client_manager.sdk_connection
        profile = _profile(connection, parsed_args)
        progress = progress_on(self.app.stderr, self.app.options.verbose_level)
        tasks = ImageTasks(connection, profile=profile, progress=progress)
        try:
            with contextlib.closing(progress), signals.stopping(tasks.stop):
                yield tasks
        except Cancelled as error:
            self.app.stderr.write(f"{error}\n")
            raise KeyboardInterrupt from error
        except KeyboardInterrupt:  # the work did not end by itself in time
            self.app.stderr.write(f"Stopped. {RESUME_HINT}\n")
            raise

    def _log_in(self) -> None:
        """Log in as the client does before a command that needs it.

        :raises AccessDenied: when the cloud refuses the credentials.
        """
        from rackspace_imagetasks.glance.service import refused_credentials

        self.auth_required = True
        with refused_credentials():
            self.app.prepare_to_run_command(self)

    def target(self, tasks: "ImageTasks", parsed_args: argparse.Namespace) -> "ImageTasks":
        """Return the client of --to-region and --to-cloud; it stops and reports with `tasks`."""
        from rackspace_imagetasks.cloud import connect_to
        from rackspace_imagetasks.exceptions import Refused
        from rackspace_imagetasks.imagetasks import ImageTasks

        if not parsed_args.to_region and not parsed_args.to_cloud:
            raise Refused("Say where to: --to-region <region>, --to-cloud <cloud>, or both.")
        connection = connect_to(
            tasks.cloud.connection, cloud=parsed_args.to_cloud, region=parsed_args.to_region
        )
        return ImageTasks(
            connection,
            profile=_profile(connection, parsed_args),
            progress=tasks.progress,
            stop=tasks.stop,
        )

    def run_each(
        self, subjects: "Sequence[S]", job: "Callable[[S], R]", concurrency: int
    ) -> "list[R]":
        """Run the job for each subject; say which failed and why, and give what the others gave.

        A single subject's failure is the command's.
        """
        from rackspace_imagetasks.batch import run_each

        outcomes = run_each(subjects, job, concurrency=concurrency)
        if len(outcomes) == 1 and outcomes[0].error:
            raise outcomes[0].error
        self.fail_with(outcome.reason for outcome in outcomes if outcome.error)
        return [outcome.result for outcome in outcomes if outcome.result is not None]

    def goes_on(self, error: "TaskTimeout", row: "R") -> "R":
        """Say that a task goes on, and have the command end with 1; its row is still printed."""
        self.fail_with([error])
        return row

    def fail_with(self, errors: "Iterable[object]") -> None:
        """Say what failed; the command's rows are still printed."""
        from rackspace_imagetasks.osc.hints import in_words

        for error in errors:
            self.failed = True
            self.log.error("%s", in_words(error))

    def warn(self, sentences: "Iterable[object]") -> None:
        """Say on stderr what the user should know."""
        from rackspace_imagetasks.osc.hints import in_words

        for sentence in sentences:
            self.log.warning("%s", in_words(sentence))


class SavingCommand(ImageTaskCommand, command.Lister):
    """A command that may save an object, into a file or to standard output."""

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: "Sequence[str]",
        data: "Iterable[Sequence[object]]",
    ) -> int:
        """Print the rows, unless standard output carries the object."""
        if parsed_args.file == options.STDOUT:
            return 0
        return int(super().produce_output(parsed_args, column_names, data))

    def save(
        self, tasks: "ImageTasks", export: str, parsed_args: argparse.Namespace
    ) -> "SaveResult":
        """Save an export as the options say."""
        streaming = parsed_args.file == options.STDOUT
        return tasks.save_export(
            export,
            self.app.stdout.buffer if streaming else parsed_args.file,
            overwrite=parsed_args.overwrite,
            validate=not parsed_args.no_validate,
            delete_object=parsed_args.delete_object,
            transfer=options.transfer_options(parsed_args),
        )


def _profile(connection: "Connection", parsed_args: argparse.Namespace) -> "ProviderProfile":
    """Return the cloud's profile with what the options say in place of its own."""
    from rackspace_imagetasks.cloud import profile_of_cloud
    from rackspace_imagetasks.exceptions import Refused

    profile = profile_of_cloud(connection)
    names = ("poll_interval", "max_virtual_size", "max_physical_size")
    given = {name: getattr(parsed_args, name, None) for name in names}
    if (given["poll_interval"] or profile.poll_interval) < profile.poll_interval:
        raise Refused(
            f"The provider asks for {profile.poll_interval:g} s between polls at least;"
            " image_tasks.poll_interval in the cloud's entry in clouds.yaml can allow less."
        )
    return profile.overridden({k: v for k, v in given.items() if v is not None}, "options")
