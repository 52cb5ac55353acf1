"""Starts a child that never outlives its parent, whatever ends the parent.

Linux sends a child the signal of `PR_SET_PDEATHSIG` when its parent is gone, also after SIGKILL.
The setting must be made by the child itself and survives `exec`, so children start as

    python -m recommender.adapters.child_process PARENT_PID COMMAND …

which arms the signal, looks whether the parent is still there, and becomes COMMAND. (The other
way, code between fork and exec, is not safe in a process with threads.) The signal is tied to
the *thread* that started the child: start children from a thread that lives as long as they do.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1


def start_child(
    argv: Sequence[str],
    *,
    environ: Mapping[str, str] | None = None,
    output: IO[bytes] | None = None,
    pass_fds: Sequence[int] = (),
) -> "subprocess.Popen[bytes]":
    """Start a child in a session of its own, so that Ctrl-C reaches only its parent.

    Args:
        argv: Program (absolute path, or found on PATH) and its arguments.
        environ: Environment of the child; None means this process's own.
        output: Where the child's output goes; None means this process's stderr and stdout.
        pass_fds: Open files that the child gets under their numbers.
    """
    trampoline = [sys.executable, "-m", __name__, str(os.getpid())]
    return subprocess.Popen(
        [*trampoline, *argv],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=pass_fds,
        start_new_session=True,
    )


def end_child(child: "subprocess.Popen[bytes]", *, patience_seconds: float) -> int:
    """End a child by SIGTERM, or by SIGKILL when it takes too long; return its exit status."""
    child.terminate()
    try:
        return child.wait(patience_seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def die_with_parent(parent_pid: int) -> None:
    """Have this process killed when its parent ends; end at once if that happened already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit("the parent process is gone")


def _main(parent_pid: str, *argv: str) -> None:
    die_with_parent(int(parent_pid))
    try:
        os.execvp(argv[0], argv)  # noqa: S606
    except OSError as error:
        sys.exit(f"{Path(argv[0]).name} cannot be started: {error.strerror}")


if __name__ == "__main__":
    _main(*sys.argv[1:])
