"""`saewidgets doctor`: what the checks found, as sentences or as JSON."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from textwrap import fill


def run_doctor(as_json: bool = False, url: str | None = None) -> int:
    """Look at the installation; 1 if something will not work."""
    from saewidgets import __version__
    from saewidgets.doctor import examine

    checks = examine(url)
    faults = sum(check.state == "fault" for check in checks)
    if as_json:
        print(json.dumps({"version": __version__, "faults": faults, "checks": [asdict(c) for c in checks]}, indent=1))
        return int(faults > 0)
    print(f"saewidgets {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}\n")
    width = max(len(check.name) for check in checks)
    margin = " " * (width + 9)
    for check in checks:
        print(fill(f"{check.state:<5}  {check.name:<{width}}  {check.found}", 110, subsequent_indent=margin))
        if check.remedy:
            print(fill(f"→ {check.remedy}", 110, initial_indent=margin, subsequent_indent=margin + "  "))
    print(f"\n{faults} fault{'s' * (faults != 1)}." if faults else "\nNothing is amiss.")
    return int(faults > 0)
