# SPDX-License-Identifier: Apache-2.0
"""Text for people: untrusted text made printable, and sizes with units."""

import re
from fractions import Fraction

#: The largest offset in a file, and in an object of any object store.
_LARGEST = 2**63 - 1
# Of temporary URLs of Swift, and of presigned URLs of S3.
_SIGNATURE = re.compile(r"(?i)([?&](?:temp_url_sig|x-amz-signature|signature)=)[^&#\s'\"]+")
SIZE_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def printable(text: object, limit: int = 300) -> str:
    """Return untrusted text without control characters (terminal escapes), cut to `limit`."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def without_credentials(text: str) -> str:
    """Return text in which no URL has a user name, a password, or a signature."""
    return _SIGNATURE.sub(r"\1***", re.sub(r"(?<=://)[^/?#\s]*@", "", text))


def format_size(size: float) -> str:
    """Return a size in bytes for people, in binary units: `40 GiB`, `3.5 KiB`, `17 bytes`."""
    value, unit = float(size), 0
    while abs(value) >= 1024 and unit < len(SIZE_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    number = f"{value:.1f}".removesuffix(".0") if unit else f"{size:.0f}"
    return f"{number} {SIZE_UNITS[unit]}"


def format_sizes(size: int, limit: int) -> tuple[str, str]:
    """Return two sizes for people, in a unit in which different sizes have different words."""
    if size == limit or format_size(size) != format_size(limit):
        return format_size(size), format_size(limit)
    for unit in range(len(SIZE_UNITS) - 1, 0, -1):
        words = tuple(
            f"{each / 1024**unit:.1f}".removesuffix(".0") + f" {SIZE_UNITS[unit]}"
            for each in (size, limit)
        )
        if words[0] != words[1]:
            return words[0], words[1]
    return f"{size} bytes", f"{limit} bytes"


def parse_size(text: str) -> int:
    """Return the bytes of a size such as `40 GiB`, `512MiB` or `1000`; `G` and `GB` mean GiB too.

    :raises ValueError: with a sentence, when it is not a size, or one in bits (`40Gb`).
    """
    if bits := re.fullmatch(r"\s*([\d.]+)\s*([KMGTPE]i?)b\s*", text):
        number, unit = bits.groups()
        shown = printable(text)
        raise ValueError(f"'{shown}' is in bits; use a size in bytes, such as {number}{unit}B.")
    match = re.fullmatch(
        r"\s*(\d{1,19}(?:\.\d{1,19})?)\s*([KMGTPE]?)(?:i?B|bytes)?\s*", text, re.IGNORECASE
    )
    size = None
    if match:
        number, prefix = match.groups()
        size = int(Fraction(number) * 1024 ** " KMGTPE".index(prefix.upper() or " "))
    if size is None or size > _LARGEST:
        shown = printable(text)
        raise ValueError(f"'{shown}' is not a size; use a form such as 40GiB, 512MiB or 1000.")
    return size
