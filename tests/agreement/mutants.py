# SPDX-License-Identifier: Apache-2.0
"""VHDs with random changes of all kinds, most of which make the file invalid."""

import struct

from tests.unit.formats.vhd.builder import MIB, ONES64, by_qemu, checksum, dynamic, fixed
from tests.unit.formats.vhd.cases import seconds_from_now

BASES = {
    "dynamic": dynamic,
    "dynamic, one block": lambda: dynamic(2 * MIB, (0,)),
    "dynamic, shuffled": lambda: dynamic(8 * MIB, (3, 0)),
    "dynamic, empty": lambda: dynamic(present=()),
    "dynamic, large": lambda: dynamic(8200 * MIB, (0, 4099)),
    "dynamic, larger table": lambda: dynamic(entries=200),
    "dynamic, header after the tables": lambda: dynamic(header_at=2048, table_at=512),
    "tap 1.1": lambda: dynamic(version=0x00010001),
    "tap 1.1 without batmap": lambda: dynamic(version=0x00010001).no_batmap(),
    "qemu": by_qemu,
    "differencing": lambda: dynamic(kind=4),
    "fixed": fixed,
    "fixed, small": lambda: fixed(8 * 512).footer(56, 4, 0),
    "fixed, Windows": lambda: fixed(creator=b"win "),
}
FOOTER = {8: 4, 12: 4, 16: 8, 24: 4, 28: 4, 32: 4, 36: 4, 40: 8, 48: 8, 56: 4, 60: 4, 68: 16, 84: 1,
          85: 1, 86: 1, 300: 4, 511: 1}  # fmt: skip
HEADER = {0: 8, 8: 8, 16: 8, 24: 4, 28: 4, 32: 4, 40: 16, 56: 4, 60: 4, 64: 8, 576: 8, 760: 8,
          768: 1, 1023: 1}  # fmt: skip
BATMAP = {0: 8, 8: 8, 16: 4, 20: 4, 24: 4, 28: 1, 29: 1, 511: 1}
# Values that mean something in one of the fields, or are next to one that does.
NUMBERS = (
    *range(9), 511, 512, 513, 1024, 1536, 2048, 2560, 3072, 3584, 4096, 4103, 4104, 4111, 4112,
    2 * MIB, 4 * MIB, 6 * MIB, 8 * MIB, 40 << 30, (40 << 30) + 512, 1 << 20, (1 << 20) + 1,
    0x00010000, 0x00010001, 0x00010002, 0x00010003, 0x00010004, 0x00020000, 2**32 - 2, 2**32 - 1,
    2**32 - 4096, 2**63, ONES64, ONES64 - 511,
    int.from_bytes(b"tap\0", "big"), int.from_bytes(b"qemu", "big"),
    int.from_bytes(b"v_poison", "big"), int.from_bytes(b"conectix", "big"),
    int.from_bytes(b"cxsparse", "big"), int.from_bytes(b"tdbatmap", "big"),
)  # fmt: skip


def mutant(noise):
    """Return a VHD with one to three changes; its attribute `changes` lists them."""
    base = noise.choice(list(BASES))
    image = BASES[base]()
    image.changes = [base]
    for _ in range(noise.choice((1, 1, 1, 2, 3))):
        change = noise.choice(CHANGES)
        image.changes.append((change.__name__, change(image, noise)))
    return image


def number(noise, width):
    """Return bytes for a field: a plausible number, one near it, or any."""
    value = noise.choice(
        (
            0,
            noise.choice(NUMBERS),
            noise.choice(NUMBERS) + noise.choice((-1, 1)),
            seconds_from_now(noise.choice((-3600, 1200, 3600))),
            noise.getrandbits(8 * width),
        )
    )
    return (value % (1 << 8 * width)).to_bytes(width, "big")


def footer_field(image, noise):
    at, width = noise.choice(list(FOOTER.items()))
    value = number(noise, width)
    image.footer(at, width, value)
    return at, value


def one_footer_field(image, noise):
    """Change the footer or its copy, so that they differ."""
    at, width = noise.choice(list(FOOTER.items()))
    value = number(noise, width)
    where = noise.choice((image.last, image.copy) if image.has_copy else (image.last,))
    where(at, width, value)
    return where.__name__, at, value


def header_field(image, noise):
    if not image.has_copy:
        return None
    at, width = noise.choice(list(HEADER.items()))
    value = number(noise, width)
    image.header(at, width, value)
    return at, value


def batmap_field(image, noise):
    if not image.has_copy:
        return None
    at, width = noise.choice(list(BATMAP.items()))
    value = number(noise, width)
    image.put(image.batmap_at + at, value)
    return at, value


def batmap_bits(image, noise):
    if not image.has_copy:
        return None
    at, value = noise.choice((0, 1, image.map_size - 1)), number(noise, 1)
    image.bits(at, value)
    return at, value


def table_entry(image, noise):
    """Move a block, to a likely sector or near that of another block."""
    if not image.has_copy:
        return None
    last = image.size // 512
    places = [0, 1, 3, 4, 5, 6, 7, 8, 4103, 4104, 4111, last - 4098, last - 4097, 2**32 - 1]
    entry, sector = noise.randrange(image.entries), max(0, noise.choice(places))
    image.entry(entry, sector)
    return entry, sector


def byte(image, noise):
    """Change a byte near either end, and no checksum."""
    at = noise.choice((noise.randrange(4096), -1 - noise.randrange(1024)))
    at = max(-image.size, min(at, image.size - 1))
    value = number(noise, 1)
    image.put(at, value)
    return at, value


def cookie(image, noise):
    """Overwrite the cookie at either end, or at both."""
    value = noise.choice((b"v_poison", b"conectiX", bytes(8)))
    places = noise.choice(((0,), (image.footer_at,), (0, image.footer_at)))
    for at in places:
        image.put(at, value)
    return places, value


def append(image, noise):
    """Append bytes, in numbers around those that matter."""
    length = noise.choice((1, 255, 510, 511, 512, 513, 1024, 65023, 65024, 65025, 65536, 70000))
    image.append(noise.choice((bytes(length), b"\xff" * length)))
    return length


def cut(image, noise):
    length = noise.choice((1, 1, 1, 2, 255, 511, 512, 513, 1024, 4096, noise.randrange(1, 1 << 16)))
    image.cut(min(length, image.size))
    return length


def stray_footer(image, noise):
    """Put the footer of this or another file somewhere near the end."""
    other = noise.choice((image, dynamic(), fixed(), fixed(max(512, image.size - 4096))))
    footer = other.peek(other.footer_at, 512)
    at = max(0, image.size - noise.choice((511, 512, 513, 1024, 4096, 40000, 65536, 66048)))
    image.put(at, footer[: image.size - at])
    return at


def short_footer(image, noise):
    """Cut the last byte of the footer off, as Virtual PC did, with or without its cookie."""
    image.cut(min(1, image.size))
    if poisoned := noise.random() < 0.3:
        image.put(max(-511, -image.size), b"v_poison"[: image.size])
    return poisoned


def table_before(image, noise):
    """Move the table to another place, of which it may be the first in the file."""
    if not image.has_copy:
        return None
    near_end = max(0, image.size - 1024) // 512 * 512
    at = noise.choice((0, 512, 1024, 1536, 2048, 2560, 3072, near_end, near_end + 512))
    table = image.peek(image.table_at, 4 * image.entries)
    image.put(at, table).header(16, 8, at)
    return at


def batmap_again(image, noise):
    """Write a batmap for the present table right after it, with a checksum that is right."""
    if not image.has_copy:
        return None
    at = int.from_bytes(image.peek(image.header_at + 16, 8), "big") + -(-image.entries // 128) * 512
    if at > image.size:
        return None
    bits = image.peek(image.batmap_at + 512, image.map_size)
    fields = struct.pack(">QII", at + 512, image.map_size // 512, 0x00010002)
    image.put(at, b"tdbatmap" + fields + checksum(bits[:512]) + bytes(484) + bits)
    return at


CHANGES = (
    footer_field, footer_field, footer_field, one_footer_field, header_field, header_field,
    batmap_field, batmap_bits, table_entry, table_entry, byte, cookie, append, append, cut,
    stray_footer, short_footer, table_before, batmap_again,
)  # fmt: skip
