# SPDX-License-Identifier: Apache-2.0
"""Text for people: untrusted text made printable, and sizes with units."""

import re
from fractions import Fraction

#: The largest offset in a file, and in an object of any object store.
_LARGEST = 2**63 - 1
# Of temporary URLs of Swift, and of presigned URLs of S3.
_SIGNATURE = re.compile(r"(?i)([?&](?:temp_url_sig|x-amz-signature|signature)=)[^&#\s'\"]+")
SIZE_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_SIZE = re.compile(r"(\d{1,19}(?:\.\d{1,19})?)\s*(?:([KMGTPE])(?:i?B)?|B|bytes)?")
# In another case, with a decimal comma, in full, or with a time: what people write for rates.
_NEAR_SIZE = re.compile(
    r"(\d{1,19}(?:[.,]\d{1,19})?)\s*([KMGTPE]?)(i?b|i?bits?|i?bytes?|i)?(/s|/sec|ps)?",
    re.IGNORECASE,
)


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


class MisspelledSize(ValueError):
    """A text that only has to be spelled differently to be a size.

    :ivar spelling: the text to write instead.
    """

    def __init__(self, text: str, spelling: str) -> None:
        super().__init__(f"'{printable(text)}' is not a size; use {spelling}.")
        self.spelling = spelling


def parse_size(text: str) -> int:
    """Return the bytes of a size such as `40 GiB`, `512MiB` or `1000`; `G` and `GB` mean GiB too.

    :raises MisspelledSize: if only the spelling is wrong, such as that of `40gb` or `40GB/s`.
    :raises ValueError: with a sentence, when it is not a size, or one in bits (`40Gb`).
    """
    match = _SIZE.fullmatch(text.strip())
    size = None
    if match:
        number, prefix = match.groups()
        size = int(Fraction(number) * 1024 ** " KMGTPE".index(prefix or " "))
    elif near := _NEAR_SIZE.fullmatch(text.strip()):
        raise _misspelled(text, *near.groups(""))
    if size is None or size > _LARGEST:
        shown = printable(text)
        raise ValueError(f"'{shown}' is not a size; use a form such as 40GiB, 512MiB or 1000.")
    return size


def _misspelled(text: str, number: str, prefix: str, unit: str, per_second: str) -> ValueError:
    """Return the error for a size that is spelled in another way than `parse_size` expects."""
    number, unit_of_bytes = number.replace(",", "."), prefix.upper()
    if unit:
        unit_of_bytes += "iB" if prefix and unit[0] in "iI" else "B"
    is_in_bits = (
        unit.lower().endswith(("bit", "bits"))
        or (unit in ("b", "ib") and prefix.isupper())  # by the rules for the symbols of units
        or (unit.endswith("b") and per_second == "ps")  # as in Mbps, in any case
    )
    if not is_in_bits:
        return MisspelledSize(text, number + unit_of_bytes)
    return ValueError(
        f"'{printable(text)}' is in bits; use a size in bytes, such as {number}{unit_of_bytes}."
    )
