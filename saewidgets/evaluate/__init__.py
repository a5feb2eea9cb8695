"""How good a dictionary is: fidelity, sparsity, the model's loss with it, and what its features are worth.

The module is also the public function `saewidgets.evaluate(scope, corpus)`, for the reason `saewidgets.demo` gives.

    >>> import saewidgets as sw
    >>> text = [f"Mira and Tom saw {n} red boats." for n in range(40)]
    >>> report = sw.evaluate(sw.demo(), text, "resid_post.2", length=16, contexts=8, draws=10)
    >>> bool(report.table()["FVU"].iloc[0] < report.table()["FVU"].iloc[-1])  # better than a random dictionary
    True
"""

import inspect
import sys
from types import ModuleType
from typing import Any

from saewidgets.evaluate.absorption import Absorption, absorption
from saewidgets.evaluate.matching import Match, match, splitting
from saewidgets.evaluate.monosemanticity import monosemanticity
from saewidgets.evaluate.probing import ProbeResult, main_features, probe
from saewidgets.evaluate.report import Report
from saewidgets.evaluate.robustness import jaccard
from saewidgets.evaluate.run import evaluate
from saewidgets.evaluate.saebench import to_saebench

__all__ = [
    "Absorption", "Match", "ProbeResult", "Report", "absorption", "evaluate", "jaccard", "main_features", "match",
    "monosemanticity", "probe", "splitting", "to_saebench",
]  # fmt: skip


class _CallableModule(ModuleType):
    __signature__ = inspect.signature(evaluate)

    def __call__(self, *arguments: Any, **options: Any) -> Report:
        return evaluate(*arguments, **options)

    __call__.__doc__ = evaluate.__doc__


sys.modules[__name__].__class__ = _CallableModule
