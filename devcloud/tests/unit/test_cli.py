# SPDX-License-Identifier: Apache-2.0
import contextlib
import io

from oslotest import base

from devcloud import cli


class TestOptions(base.BaseTestCase):
    def refused(self, *options):
        """Return the message for invalid options."""
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            error = self.assertRaises(SystemExit, cli.main, ["up", "--root", "/no", *options])
        self.assertEqual(2, error.code)
        return said.getvalue().splitlines()[-1]

    def test_refused(self):
        """A setting out of its range is refused before anything is started."""
        for option, value, least in (
            ("--segment-bytes", "0", 1),
            ("--token-seconds", "0", 1),
            ("--task-seconds", "x", 0),
            ("--step-delay", "-1", 0),
            ("--step-delay", "nan", 0),
            ("--step-delay", "inf", 0),
        ):
            self.assertIn(
                f"argument {option}: '{value}' is not a number of at least {least}",
                self.refused(f"{option}={value}"),
            )

    def test_names_refused(self):
        """The name of the flex region, and import methods unknown to Glance, are refused."""
        for option, value, problem in (
            ("--regions", "DFW,SJC3", "not be SJC3"),
            ("--regions", "DFW,DFW", "names must be distinct"),
            ("--import-methods", "glance-direct,webdownload", "import method 'webdownload'"),
            ("--import-methods", "", "import method ''"),
        ):
            self.assertIn(problem, self.refused(f"{option}={value}"))
