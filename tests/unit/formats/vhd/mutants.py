# SPDX-License-Identifier: Apache-2.0
"""VHDs with random changes, most of which keep the checksums right."""

from tests.unit.formats.vhd.builder import MIB, by_qemu, checksum, dynamic, fixed

INTERESTING = (0, 1, 2, 3, 4, 7, 8, 511, 512, 1536, 4096, 4103, 4111, 2 * MIB, 4 * MIB, 2**32 - 1)
FIELDS = {  # of the footer and the header: offset and width
    "footer": ((8, 4), (24, 4), (28, 4), (32, 4), (36, 4), (40, 8), (48, 8), (56, 2), (58, 1),
               (60, 4), (68, 8), (84, 1), (85, 1), (200, 1)),
    "header": ((16, 8), (28, 4), (32, 4), (40, 8), (56, 4), (64, 2), (600, 4)),
    "batmap": ((8, 8), (16, 4), (20, 4), (28, 1)),
}  # fmt: skip


def mutant(noise):
    """Return a VHD with data in all its sectors that has one to four changes."""
    build = noise.choice((dynamic, dynamic, by_qemu, fixed))
    image = build(2 * MIB) if build is fixed else build(4 * MIB, noise.choice(((0,), (1,), (1, 0))))
    image.put(8 * 512, noise.randbytes(64 << 10))
    image.changes = [build.__name__]
    changes = fixed_changes if build is fixed else all_changes
    for _ in range(noise.randint(1, 4)):
        change = (noise.choice(changes), value(noise))
        image.changes.append(change)
        change[0](image, noise, change[1])
    image.size = max(image.size, 512)
    return image


def value(noise):
    return noise.choice((noise.choice(INTERESTING), noise.getrandbits(64)))


def _field(where):
    def change(image, noise, number):
        offset, width = noise.choice(FIELDS[where])
        getattr(image, where)(offset, width, number & (1 << 8 * width) - 1)

    return change


def _entry(image, noise, number):
    image.entry(noise.randrange(image.entries), number & 0xFFFFFFFF)


def _swap(image, noise, number):
    """Exchange two entries of the BAT: the blocks' contents change places."""
    one, other = noise.sample(range(image.entries), 2)
    at = image.table_at
    sectors = [image.peek(at + 4 * n, 4) for n in (one, other)]
    image.put(at + 4 * one, sectors[1]).put(at + 4 * other, sectors[0])


def _bitmap(image, noise, number):
    image.put(7 * 512 + noise.choice((noise.randrange(512), noise.randrange(16))), bytes(1))


def _bits(image, noise, number):
    at = image.batmap_at
    image.put(at + 512 + noise.choice((0, 0, 1, 511)), (number & 0xFF).to_bytes(1, "big"))
    image.put(at + 24, checksum(image.peek(at + 512, 512)))


def _data(image, noise, number):
    image.put(noise.randrange(8 * 512, image.size - 1024), number.to_bytes(8, "big"))


def _end(image, noise, number):
    if number % 2:
        image.append(noise.randbytes(number % 700))
    else:
        image.cut(number % 600)


fixed_changes = (_field("footer"), _data, _end)
all_changes = (*fixed_changes, _field("header"), _field("batmap"), _entry, _swap, _bitmap, _bits)
