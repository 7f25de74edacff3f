# SPDX-License-Identifier: Apache-2.0
"""Counting in bytes, sectors and blocks."""

SECTOR = 512
MIB = 2**20
GIB = 2**30


def divide_up(amount: int, unit: int) -> int:
    """Return how many units hold `amount`."""
    return -(-amount // unit)


def round_up(amount: int, unit: int) -> int:
    """Return the smallest multiple of `unit` that is no less than `amount`."""
    return divide_up(amount, unit) * unit
