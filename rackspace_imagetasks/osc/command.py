# SPDX-License-Identifier: Apache-2.0
"""What the commands share: the client, progress on stderr, signals, errors as exit statuses."""

import argparse
import contextlib
import typing

from osc_lib import exceptions as osc_exceptions
from osc_lib.command import command

from rackspace_imagetasks.osc import columns, options

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from openstack.connection import Connection

    from rackspace_imagetasks.imagetasks import ImageTasks
    from rackspace_imagetasks.messages import Message
    from rackspace_imagetasks.profile import ProviderProfile


Table = tuple[tuple[str, ...], list[tuple[object, ...]]]
"""What a Lister's `take_action` returns: titles and rows."""

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

    def has_data(self, parsed_args: argparse.Namespace) -> bool:
        """Return whether standard output carries data, and no result."""
        name = self.data_argument
        return name is not None and getattr(parsed_args, name) == options.STDOUT

    def warn(self, messages: "Iterable[str | Message]") -> None:
        """Log warnings to stderr."""
        from rackspace_imagetasks.osc.hints import worded

        for message in messages:
            self.log.warning("%s", worded(message))


class ShowCommand(PluginCommand, command.ShowOne):
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
        return int(super().produce_output(parsed_args, column_names, columns.safe_row(data)))


class BatchCommand(PluginCommand, command.Lister):
    """A command that prints its rows even if some of the work failed, and then exits with 1.

    :cvar titles: the titles of its columns.
    :ivar has_failed: whether any of the work failed.
    """

    titles: tuple[str, ...] = ()
    has_failed = False

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command; return 1 if any of the work failed."""
        _check_columns(parsed_args.columns, self.titles)
        return super().run(parsed_args) or int(self.has_failed)

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: "Sequence[str]",
        data: "Iterable[Iterable[object]]",
    ) -> int:
        """Print the rows, unless standard output carries data."""
        if self.has_data(parsed_args):
            return 0
        rows = map(columns.safe_row, data)
        return int(super().produce_output(parsed_args, column_names, list(rows)))

    def report(self, messages: "Iterable[Message]") -> None:
        """Log errors to stderr; the command still prints its rows, and exits with 1."""
        from rackspace_imagetasks.osc.hints import worded

        for message in messages:
            self.has_failed = True
            self.log.error("%s", worded(message))


def _check_columns(wanted: "Sequence[str]", titles: "Sequence[str]") -> None:
    """Refuse unknown columns before the work: cliff does so afterwards, when the rows are lost.

    :raises CommandError: if none of the wanted columns exists.
    """
    known = {title.lower().replace(" ", "_") for title in titles}
    if wanted and known.isdisjoint(name.lower().strip().replace(" ", "_") for name in wanted):
        unknown = ", ".join(map(repr, wanted))
        raise osc_exceptions.CommandError(
            f"Unknown column {unknown}. Available columns: {', '.join(titles)}."
        )


class ImageTaskCommand(BatchCommand):
    """A command that works on a cloud through `ImageTasks`."""

    auth_required = False  # until it runs: it logs in by itself, to explain why that failed

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
                self.on_interrupt = None
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

    def target(self, tasks: "ImageTasks", parsed_args: argparse.Namespace) -> "ImageTasks":
        """Return the client for --to-region and --to-cloud; it stops and reports with `tasks`."""
        from rackspace_imagetasks.imagetasks import ImageTasks
        from rackspace_imagetasks.regions import connect_to

        connection = connect_to(
            tasks.cloud.connection, cloud=parsed_args.to_cloud, region=parsed_args.to_region
        )
        return ImageTasks(
            connection,
            profile=_profile(connection, parsed_args),
            progress=tasks.cloud.progress,
            stop=tasks.cloud.stop,
        )

    def run_batch(
        self, subjects: "Sequence[S]", job: "Callable[[S], R]", concurrency: int
    ) -> "list[R]":
        """Run the job for each subject, report what failed, and return the results.

        A job whose time-out knows its result so far has that as its result.

        :raises ImageTasksError: if there is a single subject and no result.
        """
        from rackspace_imagetasks.batch import run_each

        outcomes = run_each(
            subjects, lambda subject: self._or_timed_out(job, subject), concurrency=concurrency
        )
        if len(outcomes) == 1 and outcomes[0].error:
            raise outcomes[0].error
        for outcome in outcomes:
            self.report(outcome.messages)
        return [outcome.result for outcome in outcomes if outcome.result is not None]

    def _or_timed_out(self, job: "Callable[[S], R]", subject: "S") -> "R":
        from rackspace_imagetasks.exceptions import TaskTimeout

        try:
            return job(subject)
        except TaskTimeout as error:
            if error.result is None:
                raise
            self.report(error.messages)
            return typing.cast("R", error.result)


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
