# SPDX-License-Identifier: Apache-2.0
import os
import signal
import subprocess
import sys
import threading

from oslotest import base

from rackspace_imagetasks.osc.signals import ended_by_sigterm, stopping

_PROGRAM = """
import signal, sys, threading, time
from rackspace_imagetasks.osc.signals import stopping
stop = threading.Event()
with stopping(stop):
    print('ready', flush=True)
    {work}
"""


class SignalsTest(base.BaseTestCase):
    def start(self, work):
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM.format(work=work)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.kill)
        self.assertEqual("ready\n", process.stdout.readline())
        return process

    def test_the_first_signal_asks_to_stop(self):
        """Ctrl-C, SIGTERM and a lost terminal let the work end by itself."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process = self.start("stop.wait(60); print('ended', flush=True)")
            process.send_signal(number)
            self.assertEqual("ended\n", process.communicate(timeout=10)[0])
            self.assertEqual(0, process.returncode)

    def test_work_that_does_not_listen_is_interrupted(self):
        """Work that hangs gets a KeyboardInterrupt soon after."""
        process = self.start("time.sleep(60)")
        process.send_signal(signal.SIGINT)
        self.assertIn("KeyboardInterrupt", process.communicate(timeout=10)[1])

    def test_the_second_signal_ends_at_once(self):
        """Whatever the work catches, the second Ctrl-C ends the process with 130."""
        process = self.start(
            "stop.wait(60); print('stopping', flush=True); threading.Event().wait()"
        )
        process.send_signal(signal.SIGINT)
        self.assertEqual("stopping\n", process.stdout.readline())
        process.send_signal(signal.SIGINT)
        self.assertEqual(130, process.wait(timeout=10))

    def test_a_terminal_is_lost_but_once(self):
        """The kernel tells of it, and the shell once more: the work still ends by itself."""
        process = self.start(
            "stop.wait(60); signal.setitimer(signal.ITIMER_REAL, 0);"
            " print('stopping', flush=True); input(); print('ended')"
        )
        process.send_signal(signal.SIGHUP)
        self.assertEqual("stopping\n", process.stdout.readline())
        process.send_signal(signal.SIGHUP)
        self.assertEqual("ended\n", process.communicate("\n", timeout=10)[0])

    def test_a_lost_terminal_does_not_disturb_the_clean_up(self):
        """Of two SIGHUPs the first interrupts, and the second does not."""
        ended = []
        with self.assertRaises(KeyboardInterrupt), ended_by_sigterm():
            try:
                os.kill(os.getpid(), signal.SIGHUP)
            finally:
                os.kill(os.getpid(), signal.SIGHUP)
                ended.append("cleaned up")
        self.assertEqual(["cleaned up"], ended)

    def test_handlers_are_put_back(self):
        """Afterwards signals mean what they meant before."""
        before = signal.getsignal(signal.SIGTERM)
        with stopping(threading.Event()):
            self.assertNotEqual(before, signal.getsignal(signal.SIGTERM))
        self.assertEqual(before, signal.getsignal(signal.SIGTERM))

    def test_what_is_ignored_stays_ignored(self):
        """A job in the background of a script is not ended by the Ctrl-C meant for another."""
        self.addCleanup(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with stopping(threading.Event()):
            self.assertEqual(signal.SIG_IGN, signal.getsignal(signal.SIGINT))
            self.assertNotEqual(signal.SIG_IGN, signal.getsignal(signal.SIGTERM))
        self.assertEqual(signal.SIG_IGN, signal.getsignal(signal.SIGINT))

    def test_what_is_ignored_ends_no_conversion(self):
        """`nohup` and the like hold for work that cleans up by being interrupted, too."""
        self.addCleanup(signal.signal, signal.SIGHUP, signal.getsignal(signal.SIGHUP))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with ended_by_sigterm():
            self.assertEqual(signal.SIG_IGN, signal.getsignal(signal.SIGHUP))
            self.assertNotEqual(signal.SIG_DFL, signal.getsignal(signal.SIGTERM))
        self.assertEqual(signal.SIG_IGN, signal.getsignal(signal.SIGHUP))

    def test_threads_of_a_program_are_left_alone(self):
        """Outside the main thread signals cannot be handled, and that is no error."""
        errors = []

        def work():
            try:
                with stopping(threading.Event()):
                    pass
            except ValueError as error:
                errors.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        self.assertEqual([], errors)
