"""Programs under a kernel that refuses what some file systems do not have: links, modes, syncs.

python tests/refusing.py link=EPERM,fsync=EINVAL program argument ...

starts the program with a filter of system calls (seccomp), which its child processes inherit.
"""

import ctypes
import errno
import os
import platform
import struct
import subprocess
import sys
from collections.abc import Mapping

# Numbers of the system calls by machine: Linux's asm/unistd_64.h and asm-generic/unistd.h.
CALLS = {
    "x86_64": {
        "link": (86, 265),
        "chmod": (90, 91, 268, 452),
        "fsync": (74, 75),
        "flock": (73,),
        "utime": (132, 235, 261, 280),
    },
    "aarch64": {
        "link": (37,),
        "chmod": (52, 53, 452),
        "fsync": (82, 83),
        "flock": (32,),
        "utime": (88,),
    },
}
# Linux's prctl.h, seccomp.h and filter.h.
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2
LOAD_NUMBER, EQUALS, RETURN = 0x20, 0x15, 0x06
REFUSE, ALLOW = 0x00050000, 0x7FFF0000


def refusing(**answers: str) -> list[str]:
    """Return what to put before a command, so that calls are answered by an error, such as EPERM.

    Skips the test where the kernel filters no calls.
    """
    refused = ",".join(f"{call}={answer}" for call, answer in answers.items())
    command = [sys.executable, __file__, refused]
    done = subprocess.run([*command, "true"], capture_output=True, text=True)
    if done.returncode:
        import pytest  # not for the programs that this file starts

        pytest.skip(f"system calls cannot be refused here: {done.stderr.strip()[-200:]}")
    return command


def refuse(answers: Mapping[str, str]) -> None:
    """Have the kernel answer calls of this process, and of what it starts, by errors."""
    numbers = CALLS[platform.machine()]
    program = [struct.pack("HBBI", LOAD_NUMBER, 0, 0, 0)]
    for call, answer in answers.items():
        for number in numbers[call]:
            program.append(struct.pack("HBBI", EQUALS, 0, 1, number))
            program.append(struct.pack("HBBI", RETURN, 0, 0, REFUSE | getattr(errno, answer)))
    program.append(struct.pack("HBBI", RETURN, 0, 0, ALLOW))
    instructions = ctypes.create_string_buffer(b"".join(program))
    described = struct.pack("HP", len(program), ctypes.addressof(instructions))
    system = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    if system.prctl(NO_NEW_PRIVILEGES, ctypes.c_ulong(1), zero, zero, zero) or system.prctl(
        SET_SECCOMP, ctypes.c_ulong(FILTER), described, zero, zero
    ):
        raise OSError(ctypes.get_errno(), "no filter of system calls")


if __name__ == "__main__":
    refuse(dict(pair.split("=") for pair in sys.argv[1].split(",")))
    os.execvp(sys.argv[2], sys.argv[2:])
