"""Finds the Chromium that tests drive, and installs one where there is none; sees that Playwright can drive it.

`python tests/browser.py` prints its path, after installing it if need be; `make e2e` calls it so. Tests ask
`chromium_path()`, which only looks.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# A machine for tests has no GPU, and Chromium's stand-in for one costs a tenth of the time. Not on macOS: not tried.
WITHOUT_GPU = ("--disable-gpu", "--disable-software-rasterizer") if sys.platform == "linux" else ()
MAC_APPS = ("Chromium.app/Contents/MacOS/Chromium", "Google Chrome.app/Contents/MacOS/Google Chrome")


def chromium_path() -> str | None:
    """The browser named by `CHROMIUM`, else one on the PATH, else Playwright's own, else None."""
    named = os.environ.get("CHROMIUM")
    if named:
        found = shutil.which(named)
        if found is None:
            raise FileNotFoundError(f"CHROMIUM={named} is not a program.")
        return found
    for command in COMMANDS:
        found = shutil.which(command)
        if found:
            return found
    for app in MAC_APPS:
        if (Path("/Applications") / app).exists():
            return str(Path("/Applications") / app)
    return _playwrights_own()


def _playwrights_own() -> str | None:
    # In a process of its own: Playwright's synchronous door does not open inside a running event loop.
    code = "from playwright.sync_api import sync_playwright as p\nwith p() as q: print(q.chromium.executable_path)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    path = done.stdout.strip()
    return path if done.returncode == 0 and path and Path(path).exists() else None


def install() -> None:
    """Install Chromium: from Debian as root, from Playwright otherwise."""
    if _is_debian_root():
        _apt("chromium")
    else:
        _run([sys.executable, "-m", "playwright", "install", "chromium"])


def driver_fault() -> str:
    """What keeps Playwright's own Node from starting; "" when it starts."""
    done = subprocess.run([sys.executable, "-m", "playwright", "--version"], capture_output=True, text=True)
    return "" if done.returncode == 0 else (done.stderr.strip() or f"exit status {done.returncode}")


def mend_driver() -> None:
    """Give Playwright's Node the library that a bare Debian does not have."""
    fault = driver_fault()
    if "libatomic" in fault and _is_debian_root():
        _apt("libatomic1")
        fault = driver_fault()
    if fault:
        sys.exit(f"Playwright does not start: {fault}. On Debian: apt-get install libatomic1")


def _is_debian_root() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _apt(package: str) -> None:
    _run(["apt-get", "-qq", "update"])
    _run(["apt-get", "-qq", "install", "-y", package])


def _run(step: list[str]) -> None:
    print("==", " ".join(step), file=sys.stderr)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(step, check=True, stdout=sys.stderr, env=environment)


if __name__ == "__main__":
    try:
        mend_driver()
        if chromium_path() is None:
            install()
        print(chromium_path() or sys.exit("No Chromium where it was installed. Name one: make test CHROMIUM=/path"))
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        sys.exit(f"No Chromium: {error} Name one: make test CHROMIUM=/path")
