"""Contrast payload -> words: title, alt text, static HTML, table; and the report that the figure draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saewidgets.figures import causal_report_text as words
from saewidgets.figures import text
from saewidgets.payloads.causal_report import CausalBar, CausalCheck, CausalCurve, CausalReport
from saewidgets.payloads.contrast import ContrastBottleneck, ContrastPayload

if TYPE_CHECKING:
    import pandas as pd

# Bars of a figure, and prompts of each set that stand in words.
BARS, PROMPTS = 20, 3


def title(payload: ContrastPayload) -> str:
    """Of a page."""
    return f"Contrast · {_sets(payload)}"


def alt_text(payload: ContrastPayload) -> str:
    """What the picture shows, in one sentence.

    Args:
        payload: Of a contrast.

    Returns:
        How many prompts, the features beyond the control with their AUROC, the verdict.
    """
    return words.alt_text(report_of(payload))


def fallback(payload: ContrastPayload, max_bytes: int = 12_000) -> str:
    """The contrast as script-free HTML of at most `max_bytes` bytes.

    Raises:
        FigureError: Less than 5000 bytes were allowed.
    """
    return words.fallback(report_of(payload), max_bytes)


def to_frame(payload: ContrastPayload) -> pd.DataFrame:
    """The listed features as a table, one row each.

    Columns: `feature`, `label`, `auroc`, `low`, `high`, `frequency_positive`, `frequency_negative`, `mean_positive`,
    `mean_negative`, `confound`, `shuffled`, `random_dictionary`, `beats_control`, `chosen`, `prompts`.
    """
    import pandas as pd  # late: it takes longer to import than the figure to draw

    names = ("auroc", "low", "high", "frequency_positive", "frequency_negative", "mean_positive", "mean_negative")
    rows = [
        {"feature": f.id, "label": f.label, **{name: getattr(f, name) for name in names}, "confound": f.confound,
         "shuffled": payload.shuffled, "random_dictionary": payload.random, "beats_control": f.beyond,
         "chosen": f.id in payload.chosen, "prompts": len(payload.prompts)}
        for f in payload.features
    ]  # fmt: skip
    columns = ["feature", "label", *names, "confound", "shuffled", "random_dictionary", "beats_control", "chosen",
               "prompts"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def report_of(payload: ContrastPayload) -> CausalReport:
    """The picture as bars beside their control, checks, and the curve of a bottleneck."""
    bars = [
        CausalBar(f.id, f.auroc, " ".join(filter(None, (f.label, f.confound and f"follows {f.confound}"))), f.low,
                  f.high, 0.5 - payload.control, 0.5 + payload.control, f.beyond)
        for f in payload.features[:BARS]
    ]  # fmt: skip
    made = payload.bottleneck
    curves = () if made is None else (
        CausalCurve("corrected", made.accuracy, made.low, made.high),
        CausalCurve("from another prompt", made.control, control=True),
    )  # fmt: skip
    return CausalReport(
        f"What tells two sets of prompts apart: {_sets(payload)}", payload.verdict, conditions(payload),
        payload.context, "AUROC, 0.5 for no difference; line: 95 %", tuple(bars), 0.5,
        None if made is None else made.corrected, ("corrected concepts", "accuracy of the answer"), curves,
        (*_confounds(payload), *_tool(payload)), _told(payload),
    )  # fmt: skip


def conditions(payload: ContrastPayload) -> str:
    """Under what the numbers hold."""
    made = payload.bottleneck
    corrected = made is not None and made.correction is not None
    what = "correction of 1 prompt: free propagation, error kept" if corrected else "no intervention"
    return (
        f"{what}; {_sets(payload)} prompts, {payload.pool} over tokens, {payload.n_shuffles} shuffles, "
        f"{payload.n_random} random dictionar{'y' if payload.n_random == 1 else 'ies'}, seed {payload.context.seed}"
    )


def _sets(payload: ContrastPayload) -> str:
    return f"{len(payload.positive)} against {len(payload.negative)}"


def _confounds(payload: ContrastPayload) -> list[CausalCheck]:
    found = [
        CausalCheck(
            f"confound: {c.name}",
            f"alone it tells the sets apart with AUROC {c.auroc:.2f} [{c.low:.2f}, {c.high:.2f}], "
            f"{text.significant(c.positive)} against {text.significant(c.negative)}",
            not c.flagged,
        )
        for c in payload.confounds
    ]
    words = f"{payload.n_moved} of {payload.n_features} features fire at other positions in the two sets"
    return [*found, CausalCheck("confound: position", words, payload.n_moved == 0)]


def _tool(payload: ContrastPayload) -> list[CausalCheck]:
    found = [CausalCheck("edit", payload.edit, True)] if payload.edit else []
    for p in payload.probes:
        spread = "" if p.low == p.high else f" [{p.low:.2f}, {p.high:.2f}]"
        found.append(CausalCheck(f"probe on {p.k} {p.inputs}", f"accuracy {p.accuracy:.2f}{spread}", True))
    return [*found, *([] if payload.bottleneck is None else _bottleneck(payload.bottleneck, payload))]


def _bottleneck(made: ContrastBottleneck, payload: ContrastPayload) -> list[CausalCheck]:
    concepts = zip(made.concepts, made.readers, strict=True)
    found = [CausalCheck(f"concept {name}", f"read from {reader}", True) for name, reader in concepts]
    for m in made.measures:
        spread = "" if m.low is None or m.high is None else f" [{m.low:.2f}, {m.high:.2f}]"
        found.append(CausalCheck(m.name, f"accuracy {m.accuracy:.2f}{spread}, held-out prompts", True))
    one = made.correction
    if one is not None:
        set_to = ", ".join(f"{n} = {v:.2f}" for n, v in zip(made.concepts, one.values.tolist(), strict=True) if v >= 0)
        numbers = zip(one.words, one.before.tolist(), one.after.tolist(), strict=True)
        tokens = ", ".join(f"{w} {a:.2f} → {b:.2f}" for w, a, b in numbers)
        beyond = one.kl > one.kl_control
        answer = f"answer {made.answers[one.prompt]} → {one.answer}"
        band = f"KL {one.kl:.3f}, the controls up to {one.kl_control:.3f}"
        what = f"“{payload.prompts[one.prompt]}” with {set_to}: {answer}; {tokens}; {band}"
        found.append(CausalCheck("correction", what, beyond))
    return found


def _told(payload: ContrastPayload) -> str:
    """The first prompts of each set."""

    def some(prompts: tuple[str, ...]) -> str:
        more = f" and {len(prompts) - PROMPTS} more" if len(prompts) > PROMPTS else ""
        return " ".join(f"“{prompt}”" for prompt in prompts[:PROMPTS]) + more

    return f"Positive: {some(payload.positive)}. Negative: {some(payload.negative)}."
