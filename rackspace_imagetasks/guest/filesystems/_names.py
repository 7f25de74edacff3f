# SPDX-License-Identifier: Apache-2.0
"""Names of files that are stored in UTF-16."""


def utf16(stored: bytes, encoding: str = "utf-16-le") -> str:
    """Decode a name; what is not valid UTF-16 becomes what Python makes of invalid UTF-8."""
    text = stored[: len(stored) & ~1].decode(encoding, "surrogatepass")
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
