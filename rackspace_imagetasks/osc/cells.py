# SPDX-License-Identifier: Apache-2.0
"""Text in the cells of a terminal: some characters take two, and some none."""

from rich.cells import cell_len, get_character_cell_size


def fitting(text: str, room: int) -> int:
    """Return how many characters at the start of a text fit this many cells.

    A character without a cell of its own, such as an accent, stays with the one before it.
    """
    if text.isascii():
        return max(min(room, len(text)), 0)
    count = 0
    while count < len(text) and cell_len(text[: count + 1]) <= room:
        count += 1
    while 0 < count < len(text) and not get_character_cell_size(text[count]):
        count -= 1
    return count
