"""The command line: `saewidgets demo`, `sweep`, `train`, `evaluate`, `export`, `clean` and `doctor`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from saewidgets.cli.demo import PAGE, run_demo
from saewidgets.cli.doctor import run_doctor
from saewidgets.cli.files import SUFFIXES, run_clean, run_export
from saewidgets.cli.work import run_evaluate, run_sweep, run_train
from saewidgets.errors import SaewidgetsError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name; those of the process by default.

    Returns:
        The exit status: 0, or 1 after one of our errors, which is printed as a sentence.
    """
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except SaewidgetsError as error:
        print(f"saewidgets: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="saewidgets", description="Interactive widgets for sparse autoencoders.")
    commands = parser.add_subparsers(dest="command", required=True)
    for add in (_demo, _sweep, _train, _evaluate, _export, _clean, _doctor):
        add(commands)
    return parser


def _demo(commands: Any) -> None:
    demo = commands.add_parser("demo", help="trace a prompt through the embedded model and write an offline page")
    demo.add_argument("--prompt", default=None, help="your own prompt")
    demo.add_argument("--output", default=PAGE, help=f"where the page goes (default: {PAGE})")
    demo.add_argument("--no-lab", action="store_true", help="do not open JupyterLab")
    demo.set_defaults(run=lambda o: run_demo(o.prompt, Path(o.output), open_lab=not o.no_lab))


def _sweep(commands: Any) -> None:
    sweep = commands.add_parser("sweep", help="statistics and examples of every feature over a corpus")
    _model_and(sweep, "corpus")
    _dictionaries(sweep)
    sweep.add_argument("--store", default="atlas", help="folder of the atlas (default: atlas)")
    sweep.add_argument("--length", type=int, default=128, help="tokens in a context (default: 128)")
    sweep.set_defaults(run=run_sweep)


def _train(commands: Any) -> None:
    train = commands.add_parser("train", help="train a dictionary on what a model does with a corpus")
    _model_and(train, "site", "corpus")
    train.add_argument("--architecture", default="topk", help="such as topk, jumprelu, transcoder (default: topk)")
    train.add_argument("--d-dict", type=int, help="features")
    train.add_argument("--k", type=int, help="features a token, where the architecture counts")
    train.add_argument("--steps", type=int, help="updates")
    train.add_argument("--seed", type=int, help="of weights and order")
    train.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="any other option of a TrainingPlan"
    )
    train.add_argument("--folder", default=None, help="keep the run here, so that the same command goes on")
    train.add_argument("--output", default="dictionary.safetensors", help="where it goes (default: %(default)s)")
    train.set_defaults(run=run_train)


def _evaluate(commands: Any) -> None:
    evaluate = commands.add_parser("evaluate", help="measure dictionaries beside PCA, random and frozen-decoder ones")
    _model_and(evaluate, "corpus")
    _dictionaries(evaluate)
    evaluate.add_argument("--length", type=int, default=128, help="tokens in a context (default: 128)")
    evaluate.add_argument("--contexts", type=int, default=None, help="greatest number of contexts measured")
    evaluate.add_argument("--no-baselines", action="store_true", help="leave the baselines out")
    evaluate.add_argument("--seed", type=int, default=0, help="of baselines and resamples (default: 0)")
    evaluate.add_argument("--output", default=None, help="a .csv file for all numbers with their intervals")
    evaluate.set_defaults(run=run_evaluate)


def _export(commands: Any) -> None:
    export = commands.add_parser("export", help="a saved view as page, figure or table; alone: its caption")
    export.add_argument("figure", help="a .sae file that widget.save wrote")
    export.add_argument("outputs", nargs="*", help=f"files that end in {', '.join(SUFFIXES)}")
    export.add_argument("--style", default=None, help="a journal, such as nature or neurips")
    export.add_argument("--columns", type=int, default=1, help="of the journal's page: 1 or 2")
    export.add_argument("--greyscale", action="store_true", help="for print without colour")
    export.set_defaults(run=lambda o: run_export(o.figure, o.outputs, o.style, o.columns, o.greyscale))


def _clean(commands: Any) -> None:
    tidy = commands.add_parser("clean", help="take the widget state out of notebooks and leave their pictures")
    tidy.add_argument("notebooks", nargs="+", help=".ipynb files, changed in place")
    tidy.add_argument("--repair", action="store_true", help="keep the state and only put right what is missing in it")
    tidy.set_defaults(run=lambda o: run_clean(o.notebooks, o.repair))


def _doctor(commands: Any) -> None:
    doctor = commands.add_parser("doctor", help="find what is wrong with an installation, and say what to do")
    doctor.add_argument("--json", action="store_true", help="for programs")
    doctor.add_argument("--url", default=None, help="the address in your browser: is its websocket let through?")
    doctor.set_defaults(run=lambda o: run_doctor(o.json, o.url))


def _model_and(command: argparse.ArgumentParser, *others: str) -> None:
    said = {"corpus": "a .txt, .jsonl or .parquet file", "site": "where to read, such as resid_post.6"}
    command.add_argument("model", help="hub id or folder, or demo for the embedded model with its dictionaries")
    for name in others:
        command.add_argument(name, help=said[name])
    command.add_argument("--device", default=None, help="where the model and the dictionaries go")


def _dictionaries(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--dictionary", action="append", nargs="+", default=[], metavar="PATH SITE", help="may be given several times"
    )
