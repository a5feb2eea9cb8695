"""How much memory and processor time a reader takes for one file, in a process of its own."""

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.effort import effort

ROOT = Path(__file__).parents[2]


def measure(path: Path, reader: str = "load_dictionary") -> dict[str, Any]:
    """`error` (type and text, or empty), `grown` (bytes at the peak) and `effort` (see `tests.effort`)."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.attacks.measure", reader, str(path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2_000:]
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Not ru_maxrss: on Linux it starts at what the parent had when it made this process.
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) << 10  # type: ignore[index]


def readers() -> dict[str, Callable[[Path], Any]]:
    import numpy as np
    import torch
    from safetensors.torch import load_file

    from saewidgets.dictionaries import load_dictionary
    from saewidgets.dictionaries.formats.files import Files

    return {
        "load_dictionary": lambda path: load_dictionary(path, site="resid_post.0", strict=False),
        "tensors": lambda path: Files(path, path.name).tensors(path.name),
        "numpy": lambda path: {name: value.shape for name, value in np.load(path).items()},
        "torch": lambda path: torch.load(path, weights_only=True),
        "safetensors": lambda path: load_file(path),
    }


def main(reader: str, path: Path) -> None:
    read = readers()[reader]
    before, started, error = peak(), time.process_time(), ""
    try:
        kept = read(path)
        del kept
    except Exception as caught:
        error = f"{type(caught).__name__}: {caught}"
    print(json.dumps({"error": error, "grown": peak() - before, "effort": effort(time.process_time() - started)}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
