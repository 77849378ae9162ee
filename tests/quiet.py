"""A process that the kernel kills where it reaches for the network or changes a file: also native
code that Python cannot watch.

A filter of seccomp (man 2 seccomp) holds for the process, its threads and its children, and cannot
be taken off. It needs no privileges. Numbers of system calls are those of asm/unistd.h.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

#: Of each machine its AUDIT_ARCH, calls by name, and the position of the flags in each call that
#: opens.
_CALLS: dict[str, tuple[int, dict[str, int], dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {
            "socket": 41, "connect": 42, "sendto": 44, "sendmsg": 46, "bind": 49, "socketpair": 53, "io_uring_setup": 425, "truncate": 76,
            "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85, "link": 86, "unlink": 87, "symlink": 88, "mknod": 133, "mkdirat": 258,
            "mknodat": 259, "unlinkat": 263, "renameat": 264, "linkat": 265, "symlinkat": 266, "renameat2": 316, "openat2": 437,
            "open": 2, "openat": 257,
        },
        {"open": 1, "openat": 2},
    ),
    "aarch64": (
        0xC00000B7,
        {
            "socket": 198, "socketpair": 199, "bind": 200, "connect": 203, "sendto": 206, "sendmsg": 211, "io_uring_setup": 425,
            "truncate": 45, "mknodat": 33, "mkdirat": 34, "unlinkat": 35, "symlinkat": 36, "linkat": 37, "renameat": 38, "renameat2": 276,
            "openat2": 437, "openat": 56,
        },
        {"openat": 2},
    ),
}  # fmt: skip
SENDING = frozenset({"connect", "sendto", "sendmsg", "io_uring_setup"})
SOCKETS = frozenset({"socket", "bind", "socketpair"})

_LOAD, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_KILL, _ALLOW = 0x80000000, 0x7FFF0000
_NR, _ARCH, _ARGUMENTS = 0, 4, 16
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2


def supported() -> bool:
    """Whether there is such a filter here."""
    return (
        sys.platform == "linux"
        and platform.machine() in _CALLS
        and sys.byteorder == "little"
        and sys.maxsize > 2**32
    )


def forbid(*, sockets: bool, changes: bool) -> None:
    """Let the kernel kill this process where it connects or sends; also where it makes a socket,
    and where it changes a file.
    """
    arch, numbers, opening = _CALLS[platform.machine()]
    kinds = {
        name for name in numbers if name in SENDING or (sockets if name in SOCKETS else changes)
    }
    program = [
        (_LOAD, 0, 0, _ARCH),
        (_JUMP_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NR),
    ]
    for name in sorted(kinds - opening.keys()):
        program += [(_JUMP_EQUAL, 0, 1, numbers[name]), (_RETURN, 0, 0, _KILL)]
    for name in sorted(kinds & opening.keys()):
        writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
        program += [
            (_JUMP_EQUAL, 0, 4, numbers[name]), (_LOAD, 0, 0, _ARGUMENTS + 8 * opening[name]), (_JUMP_SET, 0, 1, writing),
            (_RETURN, 0, 0, _KILL), (_RETURN, 0, 0, _ALLOW),
        ]  # fmt: skip
    program.append((_RETURN, 0, 0, _ALLOW))
    code = b"".join(struct.pack("<HBBI", *one) for one in program)
    held = ctypes.create_string_buffer(code, len(code))
    whole = ctypes.create_string_buffer(
        struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(held)), 16
    )
    call = ctypes.CDLL(None, use_errno=True).prctl
    for arguments in (
        (_NO_NEW_PRIVILEGES, 1, 0, 0, 0),
        (_SECCOMP, _FILTER, ctypes.addressof(whole), 0, 0),
    ):
        if call(*(ctypes.c_ulong(one) for one in arguments)):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
