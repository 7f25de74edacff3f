# SPDX-License-Identifier: Apache-2.0
"""Lines of progress fit the terminal, whatever the names."""

from oslotest import base

from rackspace_imagetasks.osc.bar_layout import (
    ASCII,
    Line,
    cut,
    fit_height,
    format_duration,
    format_part,
    lay_out,
)

MIB = 2**20
WEB = Line("web", "uploading", 50 * MIB, 200 * MIB, 10 * MIB)


class LayOutTest(base.BaseTestCase):
    def test_what_is_left_out(self):
        """The bar goes first, then the rate, then the time left, and then names are cut."""
        full = "web:  uploading  25%  #######-----------------------"
        for width, expected in (
            (99, f"{full}  50.0/200.0 MiB  10.0 MiB/s  0:15 left"),
            (72, "web:  uploading  25%  ##---------  50.0/200.0 MiB  10.0 MiB/s  0:15 left"),
            (71, "web:  uploading  25%  ##--------  50.0/200.0 MiB  10.0 MiB/s  0:15 left"),
            (70, "web:  uploading  25%  50.0/200.0 MiB  10.0 MiB/s  0:15 left"),
            (59, "web:  uploading  25%  50.0/200.0 MiB  10.0 MiB/s  0:15 left"),
            (58, "web:  uploading  25%  50.0/200.0 MiB  0:15 left"),
            (46, "web:  uploading  25%  50.0/200.0 MiB"),
        ):  # fmt: skip
            (line,) = lay_out([WEB], width, ASCII)
            self.assertEqual(expected, line, width)

    def test_long_name(self):
        """A name keeps at least some columns."""
        long = Line("application-server", "uploading", 50 * MIB, 200 * MIB)
        for width, expected in (
            (46, "application-…:  uploading  25%  50.0/200.0 MiB"),
            (30, "applic…:  uploading  25%  50.…"),
        ):
            self.assertEqual([expected], lay_out([long], width))

    def test_cut(self):
        """Texts are measured in columns of the terminal: these characters have two."""
        cuts = ((6, "東京都"), (5, "東京…"), (4, "東…"), (2, "…"), (1, "…"), (0, ""))
        for width, expected in cuts:
            self.assertEqual(expected, cut("東京都", width))

    def test_unknown_total(self):
        """Without a total there is neither a percentage, nor a bar, nor a time left."""
        self.assertEqual(
            ["web:  writing  50.0 MiB  10.0 MiB/s"],
            lay_out([Line("web", "writing", 50 * MIB, None, 10 * MIB)], 80),
        )

    def test_empty(self):
        """What has no bytes is complete; nothing to show has no lines."""
        self.assertEqual([], lay_out([], 80))
        self.assertEqual(["a:  writing  0/0 bytes"], lay_out([Line("a", "writing", 0, 0)], 80))

    def test_sizes(self):
        """Both sizes have the unit of the larger."""
        for done, total, expected in (
            (0, 4 * 2**30, "0.0/4.0 GiB"),
            (1000, 1023, "1000/1023 bytes"),
            (2**40, None, "1.0 TiB"),
        ):
            self.assertEqual(expected, format_part(done, total))

    def test_durations(self):
        """Hours are shown if there are any."""
        self.assertEqual(["0:00", "1:05", "59:59", "1:00:00", "30:00:01"],
                         [*map(format_duration, (-1, 65.9, 3599, 3600, 108001))])  # fmt: skip


class HeightTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.running = [Line(name, "copying") for name in "abc"]
        self.ended = [Line("d", "done")]

    def labels(self, height):
        return [line.label for line in fit_height(self.running, self.ended, height)]

    def test_ended_images(self):
        """Images that have ended keep their lines if all lines fit."""
        self.assertEqual(["d", "a", "b", "c"], self.labels(4))
        self.assertEqual(["a", "b", "c"], self.labels(3))

    def test_too_many(self):
        """If there are too many images even so, the last line counts the others."""
        self.assertEqual(["a", "..."], self.labels(2))
        self.assertEqual("2 more", fit_height(self.running, self.ended, 2)[-1].activity)
        self.assertEqual(["..."], self.labels(1))
        self.assertEqual([], self.labels(0))
