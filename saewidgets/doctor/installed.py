"""Are the packages there, and of a version that was tried with this one?"""

from __future__ import annotations

import sys
from importlib import metadata

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from saewidgets.doctor.check import Check

# What a notebook needs that is asked for by an extra.
LAB = "lab"
# Not asked for by name, and yet what a picture depends on.
_SHOWN = {"torch", "nnsight", "transformers", "anywidget", "ipywidgets", "jupyterlab", "notebook", "ipykernel"}


def packages() -> list[Check]:
    """A check for each package that is needed and missing or of another version, and for the ones people ask about."""
    try:
        wanted = [Requirement(text) for text in metadata.requires("saewidgets") or ()]
    except metadata.PackageNotFoundError:
        todo = "pip install the wheel, or run `make setup` in the clone."
        return [Check("saewidgets", "fault", f"not installed in {sys.executable}: it runs from a folder", todo)]
    checks = [_look(need, optional=False) for need in wanted if _asked(need, "")]
    checks += [_look(need, optional=True) for need in wanted if _asked(need, LAB) and not _asked(need, "")]
    return [check for check in checks if check.state == "fault" or check.name in _SHOWN]


def _asked(need: Requirement, extra: str) -> bool:
    return need.marker is None or need.marker.evaluate({"extra": extra})


def _look(need: Requirement, optional: bool) -> Check:
    install = f"{sys.executable} -m pip install '{need.name}{need.specifier}'"
    try:
        version = metadata.version(need.name)
    except metadata.PackageNotFoundError:
        said = "not installed in this environment" + (" (JupyterLab may be in another)" if optional else "")
        return Check(need.name, "note" if optional else "fault", said, install)
    if in_range(version, need):
        return Check(need.name, "ok", version)
    return Check(need.name, "fault", f"{version}, where {need.specifier} is needed", install)


def in_range(version: str, need: Requirement) -> bool:
    """Whether a version is one that was tried; one that is no version is not."""
    try:
        return need.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def needed(name: str) -> Requirement | None:
    """What this package asks of another one, if it is installed and asks anything."""
    try:
        found = [Requirement(text) for text in metadata.requires("saewidgets") or ()]
    except metadata.PackageNotFoundError:
        return None
    return next((need for need in found if need.name == name), None)
