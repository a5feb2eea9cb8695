"""An environment of its own for a peer, whose dependencies conflict with ours."""

import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

ENVIRONMENTS = Path(__file__).parents[1] / "build" / "peers"


def environment(name: str, pins: Path, alone: Sequence[str], pip: Sequence[str]) -> str:
    """The Python of an environment with a peer; made again when its pins changed.

    Args:
        name: Of the peer.
        pins: A requirements file.
        alone: Packages that are installed without what they say they need.
        pip: More options for pip.
    """
    folder = ENVIRONMENTS / name
    python, stamp = str(folder / "bin" / "python"), folder / "pins"
    if not stamp.is_file() or stamp.read_text() != pins.read_text():
        print(f"making build/peers/{name}, some minutes", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        install = [python, "-m", "pip", "install", "--quiet", *pip]
        subprocess.run([*install, "-r", str(pins)], check=True)
        for package in alone:
            subprocess.run([*install, "--no-deps", package], check=True)
        stamp.write_text(pins.read_text())
    return python
