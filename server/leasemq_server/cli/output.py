"""Standard output that is closed, full, or read by nobody."""

import errno
import fcntl
import os
import sys

STDOUT = 1
UNWRITABLE = {errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC}
"""How a write to it fails. No command writes to anything else, and what can't be read is a Failure that names it."""


def stand_in_if_closed() -> None:
    """Takes a closed one's descriptor, lest a connection gets it. A write still fails; a command that prints nothing goes on."""
    if sys.stdout is None:
        os.dup2(os.open(os.devnull, os.O_RDONLY), STDOUT)
        sys.stdout = open(STDOUT, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - open until the program ends


def do_without_if_closed() -> None:
    """For a command that people may start without one: what it prints goes to nothing."""
    if fcntl.fcntl(STDOUT, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        _point_at_nothing()


def give_up_if_nobody_takes_it() -> None:
    """Points it at nothing if it can't be written, so that the interpreter's last flush doesn't complain again."""
    try:
        sys.stdout.flush()
    except OSError:
        _point_at_nothing()


def _point_at_nothing() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
