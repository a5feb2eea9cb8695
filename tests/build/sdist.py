"""The source distribution that `make dist` built."""

import subprocess
from pathlib import Path

DIST = Path(__file__).parents[2] / "dist"


def unpack(folder: Path) -> Path:
    """Its tree in a folder. By `tar`: Python 3.11.2, which Debian 12 has, cannot yet unpack with a filter."""
    (sdist,) = DIST.glob("*.tar.gz")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "-xzf", str(sdist), "-C", str(folder)], check=True)
    (tree,) = folder.iterdir()
    return tree
