# SPDX-License-Identifier: Apache-2.0
"""What the commands share: the client, progress on stderr, signals, errors as exit statuses."""

import argparse
import contextlib
import dataclasses
import typing
from collections.abc import Mapping

from osc_lib import exceptions as osc_exceptions
from osc_lib.command import command

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import columns, options
from rackspace_imagetasks.osc.parsers import CommandWithParser

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from openstack.connection import Connection

    from rackspace_imagetasks.batch import Outcome
    from rackspace_imagetasks.imagetasks import ImageTasks
    from rackspace_imagetasks.messages import Message
    from rackspace_imagetasks.osc.progress import ShownProgress
    from rackspace_imagetasks.osc.targets import TargetName
    from rackspace_imagetasks.profile import ProviderProfile


Table = tuple[tuple[str, ...], list[tuple[object, ...]]]
"""What a Lister's `take_action` returns: titles and rows."""

_MAX_WIDTH = 60  # of a column of a table that has more than the default columns

S = typing.TypeVar("S")
R = typing.TypeVar("R")


class PluginCommand(command.Command):
    """A command whose errors are worded for the command line.

    :cvar path_arguments: the arguments that name local files, which need not be valid UTF-8.
    :cvar data_argument: the argument that is `-` for data on standard output, if there is one.
    :ivar on_interrupt: what to say after Ctrl-C or SIGTERM; None if the command says it by itself.
    """

    path_arguments: "Collection[str]" = ()
    data_argument: str | None = None
    on_interrupt: "str | Message | None" = "Stopped; nothing was changed."

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command; return 2 after a usage error.

        :raises CommandError: with the messages of any other error, made safe to print; if standard
            output cannot carry the data.
        """
        from rackspace_imagetasks.exceptions import ImageTasksError
        from rackspace_imagetasks.osc import arguments, signals, streams, usage
        from rackspace_imagetasks.osc.hints import worded, worded_error

        if self.has_data(parsed_args):
            streams.reserve_for_data(self.app)
        streams.prepare(self.app)
        try:
            with signals.ended_by_sigterm():
                arguments.decode_options(self.app.options)
                arguments.decode_arguments(parsed_args, self.path_arguments)
                self.check(parsed_args)
                return int(super().run(parsed_args) or 0)
        except usage.UsageError as error:
            self.log.error("%s", worded_error(error))
            return usage.EXIT_STATUS
        except ImageTasksError as error:
            raise osc_exceptions.CommandError(worded_error(error)) from error
        except (osc_exceptions.CommandError, BrokenPipeError):
            raise
        except Exception as error:  # of the login, which may quote the identity service
            raise osc_exceptions.CommandError(worded(str(error))) from error
        except KeyboardInterrupt:
            if self.on_interrupt is not None:
                streams.write_line(self.app.stderr, worded(self.on_interrupt))
            raise

    def check(self, parsed_args: argparse.Namespace) -> None:
        """Check the arguments before the work.

        :raises UsageError: if they are wrong.
        """

    def has_data(self, parsed_args: argparse.Namespace) -> bool:
        """Return whether standard output carries data, and no result."""
        name = self.data_argument
        return name is not None and getattr(parsed_args, name) == options.STDOUT

    def warn(self, messages: "Iterable[str | Message]") -> None:
        """Log warnings to stderr."""
        from rackspace_imagetasks.osc.hints import worded

        for message in messages:
            self.log.warning("%s", worded(message))


class DisplayCommand(PluginCommand):
    """A command with columns or fields that -c selects.

    :cvar titles: the titles of its columns, or the names of its fields; a new title is added at the
        end, for scripts that read `-f value`.
    """

    titles: tuple[str, ...] = ()

    def known_titles(self) -> tuple[str, ...]:
        """Return all titles."""
        return self.titles

    def check(self, parsed_args: argparse.Namespace) -> None:
        """Check that -c has no unknown column."""
        from rackspace_imagetasks.osc.usage import UsageError

        super().check(parsed_args)
        titles = self.known_titles()
        if unknown := columns.unknown_columns(parsed_args.columns, titles):
            raise UsageError(*unknown, f"Available columns: {', '.join(titles)}.")


class ShowCommand(DisplayCommand, command.ShowOne, CommandWithParser):
    """A command that shows the fields of one thing."""

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: "Sequence[str]",
        data: "Iterable[object]",
    ) -> int:
        """Show the fields, unless standard output carries data."""
        if self.has_data(parsed_args):
            return 0
        row = columns.row_for(parsed_args.formatter, columns.safe_row(data))
        if parsed_args.formatter == "table":
            row = columns.wrapped_row(row, [_MAX_WIDTH] * len(row))
        return int(super().produce_output(parsed_args, column_names, row))


class BatchCommand(DisplayCommand, command.Lister, CommandWithParser):
    """A command that prints its rows even if some of the work failed, and then exits with 1.

    :cvar default_table: the columns of the table without --long, and their widths.
    :ivar has_failed: whether any of the work failed.
    """

    default_table: typing.ClassVar[Mapping[str, int]] = {}
    has_failed = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the option for all columns."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--long",
            action="store_true",
            help=_("List additional fields in the table (other formats always have all fields)"),
        )
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command; return 1 if any of the work failed."""
        return super().run(parsed_args) or int(self.has_failed)

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: "Sequence[str]",
        data: "Iterable[Iterable[object]]",
    ) -> int:
        """Print the rows, unless standard output carries data.

        A table has the default columns, unless others are requested; the other formats have all.
        """
        if self.has_data(parsed_args):
            return 0
        rows = [columns.row_for(parsed_args.formatter, columns.safe_row(row)) for row in data]
        if parsed_args.formatter == "table":
            return self._produce_table(parsed_args, column_names, rows)
        return int(super().produce_output(parsed_args, column_names, rows))

    def _produce_table(
        self,
        parsed_args: argparse.Namespace,
        column_names: "Sequence[str]",
        rows: "Sequence[tuple[object, ...]]",
    ) -> int:
        widths: Mapping[str, int] = {}
        if not (parsed_args.long or parsed_args.columns):
            widths = self.table_of([columns.values(column_names, row) for row in rows])
            parsed_args = argparse.Namespace(**vars(parsed_args) | {"columns": list(widths)})
        titles = sorted(column_names, key=[*widths, *column_names].index)
        order = [column_names.index(title) for title in titles]
        limits = [widths.get(title, _MAX_WIDTH) for title in titles]
        cells = [columns.wrapped_row([row[n] for n in order], limits) for row in rows]
        return int(super().produce_output(parsed_args, titles, cells))

    def table_of(
        self,
        rows: "Sequence[Mapping[str, object]]",  # noqa: ARG002  # subclasses choose by the rows
    ) -> Mapping[str, int]:
        """Return the columns of the table without --long that show these rows, and their widths."""
        return self.default_table

    def report(self, messages: "Iterable[Message]") -> None:
        """Log errors to stderr; the command still prints its rows, and exits with 1."""
        from rackspace_imagetasks.osc.hints import worded

        for message in messages:
            self.has_failed = True
            self.log.error("%s", worded(message))


class ImageTaskCommand(BatchCommand):
    """A command that works on a cloud through `ImageTasks`."""

    auth_required = False  # until it runs: it logs in by itself, to explain why that failed
    _progress: "ShownProgress | None" = None

    @contextlib.contextmanager
    def image_tasks(self, parsed_args: argparse.Namespace) -> "Iterator[ImageTasks]":
        """Yield the client, configured by the common options, with progress on stderr."""
        from rackspace_imagetasks.exceptions import Cancelled
        from rackspace_imagetasks.imagetasks import ImageTasks
        from rackspace_imagetasks.messages import Hint, Message
        from rackspace_imagetasks.osc import signals
        from rackspace_imagetasks.osc.hints import worded, worded_error
        from rackspace_imagetasks.osc.progress import progress_on
        from rackspace_imagetasks.osc.streams import write_line

        self._log_in()
        connection = self.app.client_manager.sdk_connection
        profile = _profile(connection, parsed_args)
        progress = progress_on(self.app.stderr, self.app.options.verbose_level)
        events = getattr(parsed_args, "events", None)
        on_event = events.write if events else None
        tasks = ImageTasks(connection, profile=profile, progress=progress, on_event=on_event)
        try:
            with (
                contextlib.closing(events) if events else contextlib.nullcontext(),
                contextlib.closing(progress),
                signals.stopping(tasks.cloud.stop),
            ):
                self.on_interrupt, self._progress = None, progress
                yield tasks
        except Cancelled as error:
            write_line(self.app.stderr, worded_error(error))
            raise KeyboardInterrupt from error
        except KeyboardInterrupt:  # the work did not end by itself in time
            write_line(self.app.stderr, worded(Message("Stopped.", Hint.RESUME)))
            raise

    def _log_in(self) -> None:
        """Log in as the client does before a command that needs it.

        :raises AccessDenied: if the cloud refuses the credentials.
        :raises ServiceError: if the identity service does not respond.
        """
        from rackspace_imagetasks.http.login import Login
        from rackspace_imagetasks.osc.hints import worded
        from rackspace_imagetasks.osc.streams import write_line

        def notify(message: "Message") -> None:
            write_line(self.app.stderr, worded(message))

        manager = self.app.client_manager
        login = Login(notify if self.app.options.verbose_level else None)
        set_up = manager.setup_auth

        def set_up_with_limits() -> None:
            set_up()
            manager.session = login.session(manager.session)

        self.auth_required = True
        # It makes the session that logs in.
        manager.setup_auth = set_up_with_limits  # type: ignore[method-assign]
        try:
            login.run(lambda: self.app.prepare_to_run_command(self))
        finally:
            manager.setup_auth = set_up  # type: ignore[method-assign]

    def target(
        self, tasks: "ImageTasks", name: "TargetName", parsed_args: argparse.Namespace
    ) -> "ImageTasks":
        """Return the client for a target of a transfer; it stops and reports with `tasks`."""
        from rackspace_imagetasks.imagetasks import ImageTasks
        from rackspace_imagetasks.regions import connect_to

        connection = connect_to(tasks.cloud.connection, cloud=name.cloud, region=name.region)
        return ImageTasks(
            connection,
            profile=_profile(connection, parsed_args),
            progress=tasks.cloud.progress,
            stop=tasks.cloud.stop,
        )

    def run_batch(
        self, subjects: "Sequence[S]", job: "Callable[[S], R]", concurrency: int
    ) -> "list[Outcome[S, R]]":
        """Run the job for each subject, report what failed, and return the outcomes in order.

        A job whose time-out knows its result so far has that as its result, beside the error.

        :raises ImageTasksError: if there is a single subject and no result.
        """
        from rackspace_imagetasks.batch import run_each

        self.expect(len(subjects))
        return self.reported(run_each(subjects, job, concurrency=concurrency))

    def expect(self, jobs: int) -> None:
        """Have the progress show how many of a number of jobs are done."""
        if self._progress:
            self._progress.expect(jobs)

    def reported(self, outcomes: "Iterable[Outcome[S, R]]") -> "list[Outcome[S, R]]":
        """Report what failed, and return the outcomes; see `run_batch`."""
        outcomes = [_with_result_so_far(outcome) for outcome in outcomes]
        if len(outcomes) == 1 and (error := outcomes[0].error):
            if outcomes[0].result is None:
                raise error
            self.report(error.messages)
            return outcomes
        for outcome in outcomes:
            self.report(outcome.messages)
        return outcomes


def _with_result_so_far(outcome: "Outcome[S, R]") -> "Outcome[S, R]":
    from rackspace_imagetasks.exceptions import TaskTimeout

    if not isinstance(outcome.error, TaskTimeout):
        return outcome
    return dataclasses.replace(outcome, result=typing.cast("R | None", outcome.error.result))


def _profile(connection: "Connection", parsed_args: argparse.Namespace) -> "ProviderProfile":
    """Return the cloud's profile, with the values of options in place of its own.

    :raises UsageError: if the poll interval is shorter than the provider allows.
    """
    from rackspace_imagetasks.cloud import profile_of_cloud
    from rackspace_imagetasks.osc.usage import UsageError

    profile = profile_of_cloud(connection)
    names = ("poll_interval", "max_virtual_size", "max_physical_size")
    given = {name: getattr(parsed_args, name, None) for name in names}
    if (given["poll_interval"] or profile.poll_interval) < profile.poll_interval:
        raise UsageError(
            f"--poll-interval must be at least {profile.poll_interval:g} seconds for this"
            " provider; to allow less, set image_tasks.poll_interval in the cloud's entry in"
            " clouds.yaml."
        )
    return profile.overridden({k: v for k, v in given.items() if v is not None}, "options")
