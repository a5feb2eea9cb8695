"""What a check found, and how another program is asked."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from tempfile import gettempdir
from typing import Literal

# An interpreter on a slow network disk, or a busy machine, may take this long to start; nothing here may hang.
SECONDS = 120


@dataclass(frozen=True)
class Check:
    """One fact about an installation.

    Args:
        name: What was looked at.
        state: `"ok"`; `"note"`, worth knowing; `"fault"`, something will not work.
        found: What there is.
        remedy: What to do; empty when there is nothing to do.

    Example:
        >>> Check("anywidget", "fault", "0.9.0 is installed", "pip install 'anywidget>=0.11'").state
        'fault'
    """

    name: str
    state: Literal["ok", "note", "fault"]
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Answer:
    """What a program said.

    Args:
        out: Its output; empty unless it ended well.
        fault: The last line of its errors; empty if it ended well.
    """

    out: str
    fault: str = ""


def ask(command: Sequence[str]) -> Answer:
    """Run a program and wait for it, two minutes at most.

    Args:
        command: Program and arguments.
    """
    # Elsewhere than here: `python -c` would otherwise find the packages of the current folder.
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=SECONDS, cwd=gettempdir(), check=False
        )
    except subprocess.TimeoutExpired:
        return Answer("", f"no answer within {SECONDS} s")
    except OSError as error:
        return Answer("", str(error))
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        return Answer("", lines[-1])
    return Answer(done.stdout)
