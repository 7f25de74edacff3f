# SPDX-License-Identifier: Apache-2.0
"""Restrict this process for the rest of its life, as far as the kernel lets an ordinary user.

The limits of resources always hold. Everything else is often forbidden in containers, or missing
in a kernel; each protection is therefore applied on its own, and what does not hold is left out.
What the process needs must be imported and open before that.
"""

import contextlib
import ctypes
import os
import resource
import sys
from collections.abc import Callable

from rackspace_imagetasks.guest.fence._protocol import Limits, Protection

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 38, 22  # prctl(2)
_SECCOMP_MODE_FILTER = 2
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000  # unshare(2)
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446  # the same on all architectures
_LANDLOCK_CREATE_RULESET_VERSION = 1

# Reading the socket, memory, signals, the clock, and the end. Files, sockets, processes, and
# signals to other processes are missing on purpose.
_SYSTEM_CALLS = {
    "x86_64": (0xC000003E, {
        "read": 0, "write": 1, "close": 3, "poll": 7, "mmap": 9, "mprotect": 10, "munmap": 11,
        "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "sched_yield": 24,
        "mremap": 25, "madvise": 28, "nanosleep": 35, "getpid": 39, "sendto": 44, "recvfrom": 45,
        "exit": 60, "sigaltstack": 131, "gettid": 186, "futex": 202, "restart_syscall": 219,
        "clock_gettime": 228, "clock_nanosleep": 230, "exit_group": 231, "getrandom": 318,
    }),
    "aarch64": (0xC00000B7, {
        "close": 57, "read": 63, "write": 64, "ppoll": 73, "exit": 93, "exit_group": 94,
        "futex": 98, "nanosleep": 101, "clock_gettime": 113, "clock_nanosleep": 115,
        "sched_yield": 124, "restart_syscall": 128, "sigaltstack": 132, "rt_sigaction": 134,
        "rt_sigprocmask": 135, "rt_sigreturn": 139, "getpid": 172, "gettid": 178, "sendto": 206,
        "recvfrom": 207, "brk": 214, "munmap": 215, "mremap": 216, "mmap": 222, "mprotect": 226,
        "madvise": 233, "getrandom": 278,
    }),
}  # fmt: skip

# Classic BPF on struct seccomp_data, seccomp(2).
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # SECCOMP_RET_ERRNO with EPERM


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16), ("jump_true", ctypes.c_uint8), ("jump_false", ctypes.c_uint8),
        ("operand", ctypes.c_uint32),
    )  # fmt: skip


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


class _Ruleset(ctypes.Structure):
    """What Landlock denies unless a rule allows it, and here there is no rule."""

    _fields_ = (
        ("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64),
    )  # fmt: skip


def confine(limits: Limits) -> tuple[Protection, ...]:
    """Restrict this process; return the protections that hold in addition to the limits."""
    held = []
    # Landlock needs a descriptor, which the limits no longer allow; seccomp denies everything else.
    for protection in (Protection.NO_NEW_PRIVILEGES, Protection.NAMESPACES, Protection.LANDLOCK):
        held += _protect(protection)
    limit_resources(limits)
    held += _protect(Protection.SECCOMP)
    return tuple(held)


def limit_resources(limits: Limits) -> None:
    """Limit memory and processor time; allow neither new descriptors, files nor processes."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_NOFILE, 0)
    # The signal at the soft limit, SIGXCPU, tells the parent why the process ended.
    _limit(resource.RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1)
    _limit(resource.RLIMIT_AS, limits.memory)


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    _, current = resource.getrlimit(kind)
    wanted = [soft, soft if hard is None else hard]
    if current != resource.RLIM_INFINITY:
        wanted = [min(value, current) for value in wanted]
    resource.setrlimit(kind, (wanted[0], wanted[1]))


def _protect(protection: Protection) -> list[Protection]:
    with contextlib.suppress(OSError):
        PROTECT[protection]()
        return [protection]
    return []


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _allow_no_new_privileges() -> None:
    _checked(_libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _enter_namespaces() -> None:
    """Leave the network; for root, give up all privileges outside of the new user namespace."""
    _checked(_libc().unshare(_CLONE_NEWUSER | _CLONE_NEWNET))


def _deny_files() -> None:
    """Deny all access to files by Landlock, and what else its version knows."""
    libc = _libc()
    version = _checked(
        libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_CREATE_RULESET_VERSION)
    )
    rules = _Ruleset(_file_rights(version), 0b11, 0b11)
    size = 8 if version < 4 else 16 if version < 6 else 24
    descriptor = _checked(
        libc.syscall(_LANDLOCK_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), 0)
    )
    try:
        _checked(libc.syscall(_LANDLOCK_RESTRICT_SELF, descriptor, 0))
    finally:
        os.close(descriptor)


def _file_rights(version: int) -> int:
    """Return a mask of the rights that a version of Landlock knows; versions 2, 3 and 5 add one."""
    count = 13 + sum(version >= added for added in (2, 3, 5))
    return (1 << count) - 1


def _filter_system_calls() -> None:
    """Make all system calls fail except for those that the process needs."""
    architecture = _SYSTEM_CALLS.get(os.uname().machine)
    if architecture is None or sys.maxsize < 2**32:
        raise OSError("the system calls of this architecture are not known")
    instructions = _filter(*architecture)
    program = _Program(len(instructions), (_Instruction * len(instructions))(*instructions))
    _checked(_libc().prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0))


def _filter(architecture: int, allowed: dict[str, int]) -> list[_Instruction]:
    instructions = [
        _Instruction(_LOAD, 0, 0, _ARCHITECTURE_AT),
        _Instruction(_JUMP_IF_EQUAL, 1, 0, architecture),
        _Instruction(_RETURN, 0, 0, _REFUSE),
        _Instruction(_LOAD, 0, 0, _NUMBER_AT),
    ]
    for number in allowed.values():
        instructions.append(_Instruction(_JUMP_IF_EQUAL, 0, 1, number))
        instructions.append(_Instruction(_RETURN, 0, 0, _ALLOW))
    return [*instructions, _Instruction(_RETURN, 0, 0, _REFUSE)]


PROTECT: dict[Protection, Callable[[], None]] = {
    Protection.NO_NEW_PRIVILEGES: _allow_no_new_privileges,
    Protection.NAMESPACES: _enter_namespaces,
    Protection.LANDLOCK: _deny_files,
    Protection.SECCOMP: _filter_system_calls,
}
"""How to apply each protection; raises OSError if the kernel does not allow it."""
