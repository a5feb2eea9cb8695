"""What the view must show, computed in the notebook's own kernel, past every cache of the widget."""

import inspect
from dataclasses import dataclass
from typing import Any

from tests.e2e.heatmap import Prediction
from tests.e2e.notebook import Notebook

PROMPT = "When Mira and Tom came to the pond, Tom gave the red lantern to"
# Two decimals are printed.
ROUNDING = 0.0051


def predicted(scope: Any, prompt: str, edits: Any = ()) -> tuple[list[str], list[float], list[float], float]:
    """Words, their probability before and after edits, and the KL; also sent to the kernel as source."""
    import torch

    keys = list(scope.dictionaries)  # named sites: the run is made anew
    before, after = (scope.run(prompt, e, sites=keys).logits[-1].float().log_softmax(-1) for e in ((), edits))
    order = torch.maximum(before, after).topk(6).indices
    words = [scope.model.tokenizer.decode([i]).strip() for i in order.tolist()]
    kl = float((before.exp() * (before - after)).sum())
    return words, before.exp()[order].tolist(), after.exp()[order].tolist(), kl


@dataclass(frozen=True)
class Expected:
    """Next-token predictions after the last token, before and after edits, and the KL in nats."""

    words: list[str]
    before: list[float]
    after: list[float]
    divergence: float


def expected(notebook: Notebook, prompt: str, edits: str = "()") -> Expected:
    """Ask the kernel. `edits` is Python."""
    setup = f"from typing import Any\n{inspect.getsource(predicted)}"
    return Expected(*notebook.python(f"predicted(scope, {prompt!r}, {edits})", setup))


def assert_shows(rows: list[Prediction], truth: Expected) -> None:
    """The printed rows are these predictions."""
    assert [row.word for row in rows] == truth.words
    for row, before, after in zip(rows, truth.before, truth.after, strict=True):
        assert abs(row.probability - after) < ROUNDING, (row, after)
        if row.before is not None:
            assert abs(row.before - before) < ROUNDING, (row, before)
            assert row.change is not None
            assert abs(row.change - (after - before)) < ROUNDING, (row, after - before)
