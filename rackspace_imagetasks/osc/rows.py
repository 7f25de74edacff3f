# SPDX-License-Identifier: Apache-2.0
"""The rows of a batch: one for each subject, whether its work succeeded or failed."""

import typing
from collections.abc import Callable, Iterable, Mapping, Sequence

from rackspace_imagetasks.osc import columns

if typing.TYPE_CHECKING:
    from rackspace_imagetasks.batch import Outcome

FAILED = "failed"
"""The status of a row whose work has failed without a result."""

S = typing.TypeVar("S")
R = typing.TypeVar("R")


def row(titles: Sequence[str], cells: Mapping[str, object]) -> tuple[object, ...]:
    """Return a row with the values of some titles, and with None for the others."""
    return tuple(cells.get(title) for title in titles)


def of_batch(
    titles: Sequence[str],
    outcomes: "Iterable[Outcome[S, R]]",
    of_subject: Callable[[S], Mapping[str, object]],
    of_result: Callable[[R], Mapping[str, object]],
) -> list[tuple[object, ...]]:
    """Return a row for each outcome.

    :param of_subject: returns what is known before the work, by title.
    :param of_result: returns what a result adds to that.
    """
    return [row(titles, _cells(outcome, of_subject, of_result)) for outcome in outcomes]


def _cells(
    outcome: "Outcome[S, R]",
    of_subject: Callable[[S], Mapping[str, object]],
    of_result: Callable[[R], Mapping[str, object]],
) -> dict[str, object]:
    from rackspace_imagetasks.osc.hints import worded_error

    cells = {**of_subject(outcome.subject), "Status": FAILED}
    if outcome.result is not None:
        known = of_result(outcome.result)
        cells |= {title: value for title, value in known.items() if value is not None}
    reason = worded_error(outcome.error) if outcome.error else None
    return cells | {"Reason": columns.DetailColumn(reason)}
