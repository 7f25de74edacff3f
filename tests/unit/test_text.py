# SPDX-License-Identifier: Apache-2.0
from oslotest import base

from rackspace_imagetasks.text import (
    MisspelledSize,
    format_size,
    format_sizes,
    parse_size,
    printable,
)


class TextTest(base.BaseTestCase):
    def test_terminal_escapes_are_defused(self):
        """Control characters are replaced."""
        self.assertEqual("�[31mred�line��", printable("\x1b[31mred\nline\x9b\u202e"))
        self.assertEqual("naïve 日本 name", printable("naïve 日本 name"))

    def test_long_text_is_cut(self):
        """A server cannot flood the terminal."""
        self.assertEqual(300, len(printable("x" * 10**6)))

    def test_sizes_in_words(self):
        """Round sizes have no fraction; bytes are counted."""
        self.assertEqual("40 GiB", format_size(40 * 2**30))
        self.assertEqual("3.5 KiB", format_size(3584))
        self.assertEqual("511 bytes", format_size(511))

    def test_sizes_beside_a_limit(self):
        """Two different sizes never have the same words."""
        for size, limit, words in (
            (2045 * 2**30, 2040 * 2**30, ("2045 GiB", "2040 GiB")),
            (40 * 2**30 + 1, 40 * 2**30, (f"{40 * 2**30 + 1} bytes", f"{40 * 2**30} bytes")),
            (50 * 2**30, 40 * 2**30, ("50 GiB", "40 GiB")),
            (7, 7, ("7 bytes", "7 bytes")),
        ):
            self.assertEqual(words, format_sizes(size, limit))
        for size in range(2**40, 2**40 + 2**33, 2**27 + 1):
            self.assertNotEqual(*format_sizes(size, 2**40 + 2**32))

    def test_sizes_read(self):
        """GiB, GB and G are the same binary unit; what is not a size is refused."""
        for text in ("40GiB", "40 GB", " 40G "):
            self.assertEqual(40 * 2**30, parse_size(text))
        self.assertEqual(1536, parse_size("1.5K"))
        for text in ("17", "17B", "17 bytes"):
            self.assertEqual(17, parse_size(text))
        for text in ("", "GiB", "4 0", "-1", "1e9", "40 ZB", "1,000,000", "10MiB/h"):
            self.assertIn("is not a size", str(self.assertRaises(ValueError, parse_size, text)))

    def test_misspelled_sizes(self):
        """A size in another spelling is refused with the valid one."""
        for text, spelling in (
            *(("10mb", "10MB"), ("10 mib", "10MiB"), ("1.5k", "1.5K"), ("10kB", "10KB")),
            *(("1,5GiB", "1.5GiB"), ("10Mi", "10MiB"), ("10Mbytes", "10MB"), ("17 b", "17B")),
            *(("10MiB/s", "10MiB"), ("10MBps", "10MB"), ("1000/s", "1000"), ("10iB", "10B")),
        ):
            error = self.assertRaises(MisspelledSize, parse_size, text)
            self.assertEqual(f"'{text}' is not a size; use {spelling}.", str(error))
            self.assertEqual(spelling, error.spelling)
            parse_size(error.spelling)

    def test_bits(self):
        """A size in bits is not taken as bytes."""
        for text, instead in (
            *(("10Mb", "10MB"), ("1.5 Gib", "1.5GiB"), (" 40Kb", "40KB"), ("10mbit", "10MB")),
            *(("10Mbps", "10MB"), ("10mbps", "10MB"), ("10Mbit/s", "10MB"), ("10 Mibit", "10MiB")),
        ):
            error = self.assertRaises(ValueError, parse_size, text)
            self.assertIn(f"is in bits; use a size in bytes, such as {instead}.", str(error))

    def test_sizes_that_nothing_has(self):
        """Sizes are exact up to the largest offset in a file; larger ones are refused."""
        self.assertEqual(2**63 - 1, parse_size(str(2**63 - 1)))
        for text in (str(2**63), "8EiB", "9" * 400, "9" * 5000, "1." + "9" * 5000):
            self.assertIn("is not a size", str(self.assertRaises(ValueError, parse_size, text)))
