"""What a notebook shows of a concept bottleneck."""

from __future__ import annotations

import numpy as np
import pandas as pd

from saewidgets.payloads import Context
from saewidgets.payloads.causal_report import CausalBar, CausalCheck, CausalCurve, CausalReport


def bottleneck_page(names: str, metrics: pd.DataFrame, curve: pd.DataFrame, context: Context) -> CausalReport:
    """Accuracies, the leak test, and the curve of corrected concepts.

    Args:
        names: Of the concepts.
        metrics: `ConceptBottleneck.metrics()`.
        curve: `ConceptBottleneck.curve()`.
        context: The foot.
    """
    accuracy = {str(row["measure"]): row for row in metrics.to_dict("records")}
    commonest, answer = float(accuracy["commonest answer"]["accuracy"]), float(accuracy["answer"]["accuracy"])
    bars = []
    for name, row in accuracy.items():
        low, high = (None if np.isnan(row[end]) else float(row[end]) for end in ("low", "high"))
        above = bool(row["accuracy"] > commonest and name != "shuffled concepts")
        bars.append(CausalBar(name, float(row["accuracy"]), "", low, high, beyond=above))
    leak = accuracy["shuffled concepts"]
    words = f"from shuffled concepts {leak['accuracy']:.2f}, the commonest answer {commonest:.2f}"
    numbers = {name: curve[name].to_numpy() for name in ("corrected", "accuracy", "low", "high", "control")}
    better = "" if answer > commonest else "Nothing beats the control: "
    return CausalReport(
        f"Concept bottleneck: {names}",
        f"{better}The answer through the concepts is right in {answer:.0%} of the texts, the commonest answer in "
        f"{commonest:.0%}.",
        f"no intervention, {int(curve['texts'].iloc[0])} held-out texts", context, "accuracy; line: 95 %", tuple(bars),
        0.0, numbers["corrected"], ("corrected concepts", "accuracy of the answer"),
        (
            CausalCurve("corrected", numbers["accuracy"], numbers["low"], numbers["high"]),
            CausalCurve("from another text", numbers["control"], control=True),
        ),
        (CausalCheck("leak test", words, bool(leak["low"] <= commonest)),),
    )  # fmt: skip
