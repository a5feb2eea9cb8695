"""Are the files there that a wheel has and git has not?"""

from __future__ import annotations

from pathlib import Path

from saewidgets.doctor.check import Check

PACKAGE = Path(__file__).parents[1]


def front_end(package: Path = PACKAGE) -> Check:
    """The JavaScript bundle: is it there, and, in a clone, newer than its sources?

    Args:
        package: The folder of the package.
    """
    static, sources = package / "static", package.parent / "js" / "src"
    names = ("widget", "shim", "live", "live-heatmap", "live-views", "page-report")
    files = [static / f"{name}.js" for name in names]
    if missing := [file.name for file in files if not file.is_file() or not file.stat().st_size]:
        todo = "Run `make js` in the clone." if sources.is_dir() else "Install the wheel again; it was damaged."
        return Check("front end", "fault", f"{', '.join(missing)} not in {static}: cells would stay empty", todo)
    built = files[0].stat().st_mtime
    newer = [file for file in sources.rglob("*") if file.is_file() and file.stat().st_mtime > built]
    if newer:
        name = newer[0].relative_to(sources).as_posix()
        found = f"older than its sources ({name} and {len(newer) - 1} more)"
        return Check("front end", "fault", found, "Run `make js` and restart the kernel.")
    return Check("front end", "ok", "there")


def demo_model(package: Path = PACKAGE) -> Check:
    """The embedded model.

    Args:
        package: The folder of the package.
    """
    if (package / "demo" / "assets" / "model" / "model.safetensors").is_file():
        return Check("demo model", "ok", "there")
    todo = "Install the wheel again, or fetch the file with git (`git lfs` is not used)."
    return Check("demo model", "fault", "its weights are missing", todo)
