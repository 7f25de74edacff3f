# SPDX-License-Identifier: Apache-2.0
import contextlib
import io

from oslotest import base

from devcloud import cli


class TestKnobs(base.BaseTestCase):
    def refused(self, *options):
        """Give what is said of options with which no cloud can be."""
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            error = self.assertRaises(SystemExit, cli.main, ["up", "--root", "/no", *options])
        self.assertEqual(2, error.code)
        return said.getvalue().splitlines()[-1]

    def test_refused(self):
        """A knob out of its range is refused before anything is started."""
        for knob, value, least in (
            ("--segment-bytes", "0", 1),
            ("--token-seconds", "0", 1),
            ("--task-seconds", "x", 0),
            ("--step-delay", "-1", 0),
            ("--step-delay", "nan", 0),
            ("--step-delay", "inf", 0),
        ):
            self.assertIn(
                f"argument {knob}: give a number from {least} on, not '{value}'",
                self.refused(f"{knob}={value}"),
            )
