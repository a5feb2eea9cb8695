"""Does torch work, is there a GPU, and can downloads be kept?"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from saewidgets.doctor.check import Check, ask

_TORCH = """
import json, torch
seen = torch.cuda.is_available()
print(json.dumps({
    "sum": float(torch.ones(3).sum()),
    "cuda": torch.version.cuda,
    "gpu": torch.cuda.get_device_name(0) if seen else None,
    "mps": bool(torch.backends.mps.is_available()),
}))
"""


def torch_and_gpu() -> list[Check]:
    """Import torch in a process of its own, since a damaged one may take the process with it; then ask for a GPU."""
    answer = ask([sys.executable, "-c", _TORCH])
    if answer.fault:
        todo = f"{sys.executable} -m pip install --force-reinstall torch; what was saved opens without it."
        return [Check("torch works", "fault", f"cannot be imported: {answer.fault}", todo)]
    found = json.loads(answer.out.splitlines()[-1])
    return [Check("torch works", "ok", "3 ones are 3" if found["sum"] == 3 else "it adds wrongly"), _gpu(found)]


def _gpu(found: dict[str, object]) -> Check:
    if found["gpu"] or found["mps"]:
        return Check("GPU", "ok", f"{found['gpu'] or 'Apple (mps)'}")
    if has_driver():
        built = f"built for CUDA {found['cuda']}" if found["cuda"] else "a build for the processor alone"
        todo = "Choose a build of torch for your driver: the command is on pytorch.org; `nvidia-smi` shows the driver."
        return Check("GPU", "note", f"this machine has one, torch does not see it: it is {built}", todo)
    return Check("GPU", "note", "none seen: models run on the processor, which is enough for small ones")


def has_driver() -> bool:
    """Whether there is a driver of NVIDIA, whatever torch says."""
    return shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia/version").exists()


def cache() -> Check:
    """Whether models and dictionaries from the hub can be kept."""
    try:
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError as error:  # said among the packages
        return Check("cache", "note", f"not looked at: {error}")
    folder = Path(HF_HUB_CACHE)
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Check("cache", "ok", str(folder))
    why = f"{there} is no folder" if not there.is_dir() else f"no permission to write in {there}"
    todo = "Set HF_HOME to a folder of yours, or repair its owner (chown). Files on this disk open without it."
    return Check("cache", "fault", f"{folder} cannot be written: {why}", todo)
