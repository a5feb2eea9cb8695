"""The command line: `saewidgets demo`, `sweep`, `clean` and `doctor`."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from saewidgets.errors import SaewidgetsError

PAGE = "saewidgets-demo.html"
NOTEBOOK = Path("notebooks") / "00_tour.ipynb"
_PACKAGES = ("torch", "nnsight", "transformers", "anywidget", "ipywidgets", "jupyterlab", "notebook", "marimo")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name; those of the process by default.

    Returns:
        The exit status: 0, or 1 after one of our errors, which is printed as a sentence.
    """
    parser = argparse.ArgumentParser(prog="saewidgets", description="Interactive widgets for sparse autoencoders.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="trace a prompt through the embedded model and write an offline page")
    demo.add_argument("--prompt", default=None, help="your own prompt")
    demo.add_argument("--output", default=PAGE, help=f"where the page goes (default: {PAGE})")
    demo.add_argument("--no-lab", action="store_true", help="do not open JupyterLab")
    sweep = commands.add_parser("sweep", help="statistics and examples of every feature over a corpus")
    sweep.add_argument("model", help="hub id or folder, or demo for the embedded model with its dictionaries")
    sweep.add_argument("corpus", help="a .txt, .jsonl or .parquet file")
    sweep.add_argument(
        "--dictionary", action="append", nargs="+", default=[], metavar="PATH SITE", help="may be given several times"
    )
    sweep.add_argument("--store", default="atlas", help="folder of the atlas (default: atlas)")
    sweep.add_argument("--length", type=int, default=128, help="tokens in a context (default: 128)")
    sweep.add_argument("--device", default=None, help="where the model and the dictionaries go")
    tidy = commands.add_parser("clean", help="take the widget state out of notebooks and leave their pictures")
    tidy.add_argument("notebooks", nargs="+", help=".ipynb files, changed in place")
    tidy.add_argument("--repair", action="store_true", help="keep the state and only put right what is missing in it")
    commands.add_parser("doctor", help="say what is installed and what is missing")
    options = parser.parse_args(arguments)
    try:
        if options.command == "demo":
            return run_demo(options.prompt, Path(options.output), open_lab=not options.no_lab)
        if options.command == "sweep":
            return run_sweep(options)
        if options.command == "clean":
            return run_clean(options.notebooks, options.repair)
        return run_doctor()
    except SaewidgetsError as error:
        print(f"saewidgets: {error}", file=sys.stderr)
        return 1


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


def run_sweep(options: argparse.Namespace) -> int:
    """Sweep a corpus; Ctrl-C keeps what was done."""
    import saewidgets as sw

    device = options.device
    if options.model == "demo":
        scope = sw.demo()
    else:
        loaded = [sw.load_dictionary(path, *site[:1]) for path, *site in options.dictionary]
        placed = {} if device is None else {"device": device}
        scope = sw.Scope(options.model, [d if device is None else d.to(device) for d in loaded], **placed)
    try:
        print(scope.sweep(options.corpus, store=options.store, length=options.length))
    except KeyboardInterrupt:
        print(f"Stopped. What was done is in {options.store}; the same command goes on.", file=sys.stderr)
        return 130
    return 0


def run_clean(notebooks: Sequence[str], repair: bool) -> int:
    """Clean notebooks in place."""
    from saewidgets.export.notebook import clean

    for notebook in notebooks:
        print(clean(notebook, repair=repair))
    return 0


def _visible(token: str) -> str:
    """A token as one line of printable text."""
    text = token.strip(" ") or token
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _open_lab() -> int:
    """Start JupyterLab on the tour if a person can see it; otherwise say how to."""
    command = [sys.executable, "-m", "jupyter", "lab", str(NOTEBOOK)]
    display = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not (sys.stdin.isatty() and sys.stdout.isatty() and display and NOTEBOOK.is_file()):
        print(f"To edit the prompt live, open a notebook:  jupyter lab {NOTEBOOK}")
        return 0
    return subprocess.call(command)


def run_doctor() -> int:
    """Print versions and whether the bundle and the embedded model are there; 1 if something is missing."""
    from saewidgets import __version__

    print(f"saewidgets {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    missing = []
    for package in _PACKAGES:
        try:
            print(f"  {package:<13} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            print(f"  {package:<13} not installed")
            if package in ("torch", "nnsight", "transformers", "anywidget", "ipywidgets"):
                missing.append(package)
    here = Path(__file__).parent
    for name, file in (
        ("front end", here / "static" / "widget.js"),
        ("demo model", here / "demo" / "assets" / "model" / "model.safetensors"),
    ):
        print(f"  {name:<13} {'there' if file.is_file() else 'missing'}")
        if not file.is_file():
            missing.append(name)
    if missing:
        print(f"Missing: {', '.join(missing)}. Install the wheel, or run `make setup` in a clone.")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
