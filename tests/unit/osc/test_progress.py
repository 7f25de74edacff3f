# SPDX-License-Identifier: Apache-2.0
import io
import threading

from oslotest import base

from rackspace_imagetasks.osc.progress import BarProgress, LineProgress, QuietProgress, progress_on


class Terminal(io.StringIO):
    def isatty(self):
        return True


class ProgressTest(base.BaseTestCase):
    def test_the_stream_and_the_verbosity_choose(self):
        """Bars on a terminal alone, nothing with -q, even there."""
        self.assertIsInstance(progress_on(Terminal(), 0), QuietProgress)
        bars = progress_on(Terminal(), 1)
        self.addCleanup(bars.close)
        self.assertIsInstance(bars, BarProgress)
        self.assertIsInstance(progress_on(io.StringIO(), 1), LineProgress)

    def test_quiet_is_silent(self):
        """With -q not even a message is written."""
        stream = Terminal()
        progress = progress_on(stream, 0)
        progress.message("hello")
        with progress.phase("Sending", 10) as phase:
            phase.advance(10)
        progress.close()
        self.assertEqual("", stream.getvalue())

    def test_a_log_gets_messages_but_no_phases(self):
        """Without -v, a log tells what was decided and not how far it is."""
        stream = io.StringIO()
        progress = progress_on(stream, 1)
        progress.message("what was decided")
        with progress.phase("Sending", 10) as phase:
            phase.advance(10)
        self.assertEqual("what was decided\n", stream.getvalue())

    def test_lines_now_and_then(self):
        """With -v a line every ten seconds, one for each new status, and one at the end."""
        stream, now = io.StringIO(), [0.0]
        progress = LineProgress(stream, phases=True, clock=lambda: now[0])
        with progress.phase("Sending x", 4 * 2**20) as phase:
            phase.advance(2**20)
            now[0] = 10.0
            phase.advance(2**20)
            phase.advance(2**20)
            phase.advance(-(2**20))
            phase.note("retrying")
            phase.note("retrying")
            now[0] = 20.0
            phase.advance(2 * 2**20)
        self.assertEqual(
            [
                "Sending x: 2 MiB of 4 MiB (50 %)",
                "Sending x: retrying",
                "Sending x: 4 MiB of 4 MiB (100 %)",
                "Sending x: 4 MiB in 20.0 s",
            ],
            stream.getvalue().splitlines(),
        )

    def test_escapes_do_not_reach_the_terminal(self):
        """Titles and notes come from files and servers."""
        stream = io.StringIO()
        progress = LineProgress(stream, phases=True)
        with progress.phase("\x1b[31m", None) as phase:
            phase.note("\x1b[2J")
        progress.message("\x1b]0;x")
        self.assertNotIn("\x1b", stream.getvalue())

    def test_bars_are_safe_to_advance_from_threads(self):
        """Bytes counted by several threads add up, and closing twice does no harm."""
        progress = progress_on(Terminal(), 1)
        with progress.phase("Sending", 4000) as phase:
            threads = [
                threading.Thread(target=lambda: [phase.advance(1) for _ in range(1000)])
                for _ in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(4000, progress._bars.tasks[0].completed)
        progress.close()
        progress.close()
