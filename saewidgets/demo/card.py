"""The report card as Markdown, from what was measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Report = dict[str, Any]
#: A concept counts when one feature reaches this F1 and is this much better than the best random feature.
F1_BAR, RANDOM_MARGIN = 0.8, 0.2


def _table(head: list[str], rows: Iterable[list[object]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(['---'] * len(head))}|"]
    return [*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows), ""]


def _behaviours(rows: list[Report]) -> list[str]:
    good = sum(row["accuracy"] >= 0.95 for row in rows)
    return [
        "## Behaviours",
        "",
        f"{good} of {len(rows)} reach 0.95. Accuracy: how often the right continuation is likelier than the wrong "
        "one, on prompts from combinations that training never shows. *Early*: the checkpoint from before induction "
        "formed.",
        "",
        *_table(
            ["behaviour", "prompts", "accuracy", "early"],
            ([row["name"], row["prompts"], f"{row['accuracy']:.2f}", f"{row['early']:.2f}"] for row in rows),
        ),
    ]


def _plants(plants: dict[str, Report]) -> list[str]:
    def cells(name: str, row: Report) -> list[object]:
        passes = "yes" if row["passes"] else "**no**"
        numbers = [f"{row[key]:.3f}" for key in ("value", "control", "early")]
        return [name, *numbers, row["bar"], row["margin"], passes, row["meaning"]]

    return [
        "## Plants",
        "",
        "A gate passes when its value reaches the bar and stays clear of its control by the margin. Lessons and "
        "demos may only rest on plants that pass.",
        "",
        *_table(
            ["plant", "value", "control", "early checkpoint", "bar", "margin", "passes", "what value and control are"],
            (cells(name, row) for name, row in plants.items()),
        ),
    ]


def _dictionaries(dictionaries: dict[str, Report]) -> list[str]:
    def recovered(row: Report) -> str:
        return f"{row['recovered_zero']:.3f} / {row['recovered_mean']:.3f}"

    def cells(key: str, entry: Report) -> list[object]:
        trained = entry["trained"]
        baselines = [f"{entry[name]['fvu']:.3f}, {recovered(entry[name])}" for name in ("random", "linear")]
        numbers = [f"{trained['l0']:.1f}", f"{trained['fvu']:.3f}", recovered(trained), f"{trained['dead']:.3f}"]
        return [f"`{key}`", entry["architecture"], entry["d_dict"], *numbers, *baselines]

    head = ["dictionary", "kind", "width", "L0", "FVU", "recovered (zero / mean)", "dead"]
    return [
        "## Dictionaries",
        "",
        "On held-out text, position 0 left out. FVU: fraction of variance unexplained. Recovered: share of the loss "
        "between an ablation (zero, mean) and the model that is kept when the reconstruction takes the place of the "
        "original. *Random*: random encoder directions, the same width and k, the decoder fitted by least squares. "
        "*Linear*: PCA with k components, for a transcoder the best linear map of rank k. `mlp_in` names the "
        "transcoder of that layer's MLP.",
        "",
        *_table(
            [*head, "random: FVU, recovered", "linear: FVU, recovered"], (cells(*item) for item in dictionaries.items())
        ),
    ]


def _concepts(rows: list[Report]) -> list[str]:
    passed = [row for row in rows if row["passes"]]
    contextual = sum(row["kind"] == "contextual" for row in passed)

    def cells(row: Report) -> list[object]:
        numbers = [f"{row['f1']:.2f}", f"{row['random_f1']:.2f}", row["tokens"]]
        return [row["concept"], row["kind"], f"`{row['feature']}`", *numbers, "yes" if row["passes"] else ""]

    return [
        "## Concepts",
        "",
        f"{len(passed)} of {len(rows)} concepts, {contextual} of them contextual, have one feature with F1 of at least "
        f"{F1_BAR} and {RANDOM_MARGIN} above the best random feature. The threshold is chosen on one split, "
        "dictionary and feature on a second; F1 is from a third. Contextual: holds over a stretch of text and "
        "cannot be read off a token.",
        "",
        *_table(
            ["concept", "kind", "feature", "F1", "random", "tokens", "passes"],
            map(cells, sorted(rows, key=lambda row: -row["f1"])),
        ),
    ]


def _tour(rows: list[Report]) -> list[str]:
    def cells(row: Report) -> list[object]:
        first = [f"`{row['next']}`", f"{row['before']:.2f}", f"{row['after']:.2f}"]
        second = [f"`{row['then']}`", f"{row['then_before']:.2f}", f"{row['then_after']:.2f}"]
        return [row["prompt"], f"`{row['feature']}`", *first, *second]

    return [
        "## Tour",
        "",
        "Prompts on which one ablated feature (everywhere, error kept) changes what comes next: the likeliest token, "
        "its probability before and after; and the token that takes its place.",
        "",
        *_table(["prompt", "feature", "next", "before", "after", "then", "before", "after"], map(cells, rows)),
    ]


def render(report: Report) -> str:
    """The report card as Markdown."""
    model = report["model"]
    lines = [
        "# Report card of the embedded model",
        "",
        "Generated by `python -m saewidgets.demo.recipe` from the shipped weights; a test fails when this page and "
        "`saewidgets/demo/assets/report.json` differ.",
        "",
        f"{model['parameters']:,} parameters. Cross-entropy on held-out text: {model['cross_entropy']:.3f} nats a "
        f"token, {model['early_cross_entropy']:.3f} at the early checkpoint. {report['recipe']}",
        "",
        *_behaviours(report["behaviours"]),
        *_plants(report["plants"]),
        *_dictionaries(report["dictionaries"]),
        *_concepts(report["concepts"]),
        *_tour(report["tour"]),
        "## What was tried",
        "",
        *(f"- {line}" for line in report["tries"]),
        "",
    ]
    return "\n".join(lines)
