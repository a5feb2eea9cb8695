"""`saewidgets sweep`, `train` and `evaluate`: what takes long, from a shell."""

from __future__ import annotations

import argparse
import ast
import sys
from typing import Any

from saewidgets.errors import TrainingError, shorten


def run_sweep(options: argparse.Namespace) -> int:
    """Sweep a corpus; Ctrl-C keeps what was done."""
    scope = _scope(options)
    try:
        print(scope.sweep(options.corpus, store=options.store, length=options.length))
    except KeyboardInterrupt:
        print(f"Stopped. What was done is in {options.store}; the same command goes on.", file=sys.stderr)
        return 130
    return 0


def run_train(options: argparse.Namespace) -> int:
    """Train a dictionary and write it; with a folder, Ctrl-C keeps the run."""
    import saewidgets as sw

    def say(snapshot: Any) -> None:
        print(f"{snapshot.step:>7} FVU {snapshot.fvu:.3f}  L0 {snapshot.l0:.1f}  dead {snapshot.dead}", flush=True)

    given = {"d_dict": options.d_dict, "k": options.k, "steps": options.steps, "seed": options.seed}
    plan = {name: value for name, value in given.items() if value is not None} | _settings(options.set)
    model = sw.demo().model if options.model == "demo" else _placed(options)
    try:
        made = sw.train_dictionary(
            model, options.site, options.corpus, options.architecture, folder=options.folder, callback=say, **plan
        )
    except KeyboardInterrupt:
        kept = f"the run is in {options.folder}; the same command goes on" if options.folder else "nothing was kept"
        print(f"Stopped: {kept}.", file=sys.stderr)
        return 130
    made.save(options.output)
    print(f"{made!r}\nWrote {options.output}: sw.load_dictionary reads it.")
    return 0


def run_evaluate(options: argparse.Namespace) -> int:
    """Measure dictionaries beside baselines: a table here, all numbers with their intervals in a file."""
    import saewidgets as sw
    from saewidgets.disk import write_bytes

    report = sw.evaluate(
        _scope(options), options.corpus, baselines=not options.no_baselines, length=options.length,
        contexts=options.contexts, seed=options.seed,
    )  # fmt: skip
    print(report.table().round(4).T.to_string())
    if options.output is not None:
        write_bytes(options.output, report.to_frame().to_csv(index=False).encode())
        print(f"Wrote {options.output}: one row a number, with its interval, definition, mask and window.")
    return 0


def _scope(options: argparse.Namespace) -> Any:
    """A model with the dictionaries that were named; of the embedded model all of its own."""
    import saewidgets as sw

    if options.model == "demo" and not options.dictionary:
        return sw.demo()
    loaded = [sw.load_dictionary(path, *site[:1]) for path, *site in options.dictionary]
    placed = [one if options.device is None else one.to(options.device) for one in loaded]
    return sw.Scope(sw.demo().model if options.model == "demo" else _placed(options), placed)


def _placed(options: argparse.Namespace) -> Any:
    from saewidgets.model import TracedModel

    return TracedModel.wrap(options.model, **({} if options.device is None else {"device": options.device}))


def _settings(given: list[str]) -> dict[str, Any]:
    """`name=value` as Python would read it: a number, a word, `None`."""
    found: dict[str, Any] = {}
    for text in given:
        name, mark, value = text.partition("=")
        if not mark or not name.isidentifier():
            raise TrainingError(f"The setting {shorten(text)} is none.", "Write --set sparsity=2.0.")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            found[name] = value
    return found
