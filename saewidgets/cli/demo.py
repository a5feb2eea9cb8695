"""`saewidgets demo`: the embedded model on one prompt, in a terminal and on a page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PAGE = "saewidgets-demo.html"
NOTEBOOK = Path("notebooks") / "00_tour.ipynb"


def run_demo(prompt: str | None, output: Path, open_lab: bool = True) -> int:
    """Trace, print, ablate, write the page; open JupyterLab where there is a screen."""
    import saewidgets as sw
    from saewidgets.demo.load import tour
    from saewidgets.disk import write_bytes
    from saewidgets.export.page import to_page
    from saewidgets.runs.heatmap import HeatmapRequest, default_features, heatmap_payload

    scope = sw.demo()
    stop = max(tour(), key=lambda stop: stop["before"] - stop["after"])
    feature = stop["feature"] if prompt is None else None
    prompt = stop["prompt"] if prompt is None else prompt
    key = feature.rpartition("/")[0] if feature else scope.default_site
    feature = feature or default_features(scope, prompt, key, n=1)[0]
    run = scope.run(prompt)
    print(f"{scope!r}\n\n“{prompt}”\n\nStrongest features at {key}:")
    strongest = run.top(n=3, dictionary=key)
    for position, rows in strongest.groupby("position"):
        shown = "   ".join(
            f"{name.rpartition('/')[2]:>5} {value:5.1f} {scope.label(name)}".rstrip()
            for name, value in zip(rows["feature"], rows["activation"], strict=True)
        )
        print(f"  {position:>3} {_visible(run.tokens[int(str(position))]):<12} {shown}")
    edit = sw.ablate(feature)
    difference = run.difference(scope.run(prompt, [edit]))
    label = scope.label(feature)
    print(f"\nNext token, before and after {edit!r}{f' ({label})' if label else ''}:")
    for row in difference.predictions(n=5).itertuples():
        print(f"  {_visible(str(row.token)):<12} {row.before:5.2f} → {row.after:4.2f}   {row.change:+.2f}")
    features = tuple(dict.fromkeys((feature, *default_features(scope, prompt, key))))[:4]
    payload = heatmap_payload(scope, HeatmapRequest(prompt, features, (edit,), site=key), control=True)
    assert payload.predictions.kl is not None and payload.control is not None
    control = payload.control
    (low, high), (least, most) = control.kl_features[-1], control.kl_directions[-1]
    print(
        f"\n{payload.predictions.kl[-1]:.2f} nats KL. Control: the same edit on {control.n} random features "
        f"{low:.2f} to {high:.2f}, random directions of the same size {least:.2f} to {most:.2f}."
    )
    write_bytes(output, to_page(payload).encode())
    print(f"\nWrote {output} ({output.stat().st_size / 1000:.0f} kB): open it in a browser, no network needed.")
    return _open_lab() if open_lab else 0


def _visible(token: str) -> str:
    """A token as one line of printable text."""
    text = token.strip(" ") or token
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _open_lab() -> int:
    """Start JupyterLab on the tour if a person can see it; otherwise say how to."""
    # Jupyter refuses root, who has no other user on a bare machine or in a container, unless told so.
    words = ["lab", *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else [])]
    words += [str(NOTEBOOK)] if NOTEBOOK.is_file() else []
    display = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not (sys.stdin.isatty() and sys.stdout.isatty() and display and NOTEBOOK.is_file()):
        print("To edit the prompt live, open a notebook: ", _jupyter(), *words)
        return 0
    return subprocess.call([sys.executable, "-m", "jupyter", *words])


def _jupyter() -> str:
    """What a person types here for the Jupyter of this environment, which need not be the one on the PATH."""
    own = Path(sys.executable).with_name("jupyter")
    if shutil.which("jupyter") == str(own):
        return "jupyter"
    return str(own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own)
