# SPDX-License-Identifier: Apache-2.0
"""Run another program that owns a listening socket and dies with its parent.

Run as a program: LAUNCHER PARENT_PID LISTENER_FD PROGRAM [ARGUMENT ...]. This must happen
in the child, after fork, where a process with threads can only safely exec: sd_listen_fds(3)
wants the child's own PID in its environment and the socket as descriptor 3.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: str, listener: str, *command: str) -> None:
    """Replace this process by `command`."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it died before the line above
        return
    os.dup2(int(listener), 3)
    activation = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    os.execve(command[0], command, os.environ | activation)  # noqa: S606  (no shell wanted)


if __name__ == "__main__":
    main(*sys.argv[1:])
