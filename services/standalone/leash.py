"""Run a command that ends when its parent ends, however the parent ends.

Started as `python -I -S leash.py PARENT COMMAND...`: between fork and exec of a process with
threads nothing of Python may run, so the promise is asked for here and kept over the exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        # Not SIGTERM: who could have waited is gone, and the store may take it and stay. Bus and
        # store keep what they acknowledged.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it ended before we could ask
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - the command is ours


if __name__ == "__main__":
    main()
