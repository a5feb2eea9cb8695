"""Two sides – prompts, edits, dictionaries or models – and what is different between them, token against token."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from saewidgets.atlas.fingerprint import of_dictionary
from saewidgets.errors import WidgetError
from saewidgets.interventions.edits import Edit
from saewidgets.interventions.text import to_code
from saewidgets.payloads import Context, Control, FeatureLabel, Predictions
from saewidgets.payloads.compare import ComparePayload, FeaturePairs
from saewidgets.runs.control import control_bands
from saewidgets.runs.heatmap import FULL_TOKENS, dictionary_words, model_words
from saewidgets.runs.run import Run, kl_divergence

if TYPE_CHECKING:
    from saewidgets.dictionaries import Dictionary
    from saewidgets.scope import Scope

N_FEATURES, N_WORDS = 8, 8
# Above this many tokens texts are laid against each other place by place: finding what they share takes n² steps.
_ALIGNED = 4_000
# Differences below this share of the greater activation are rounding of the same number.
_ROUNDING = 1e-4


@dataclass(frozen=True, slots=True)
class Side:
    """What is compared with something else.

    Args:
        scope: The model and its dictionaries.
        prompt: The text.
        edits: What is done, the error policy in them.
        site: Key of the dictionary that is compared.
    """

    scope: Scope
    prompt: str
    edits: tuple[Edit, ...]
    site: str

    @property
    def dictionary(self) -> Dictionary:
        """The dictionary that is compared."""
        return self.scope.dictionaries[self.site]

    def run(self) -> Run:
        """The run, with the dictionary and those of the edits."""
        keys = {self.site, *(feature.dictionary for edit in self.edits for feature in edit.features)}
        return self.scope.run(self.prompt, self.edits, sites=[k for k in self.scope.dictionaries if k in keys])


def align(a: Sequence[str], b: Sequence[str]) -> tuple[list[int], list[int], list[bool]]:
    """Lay two texts against each other, token by token.

    Equal stretches are found by `difflib`; a stretch that was replaced stands against its replacement from the end on,
    for a model reads on from there.

    Args:
        a: Strings of the tokens of one.
        b: Of the other.

    Returns:
        Positions in `a`, positions in `b`, and whether the two tokens are equal. Tokens that stand against none are in
        no pair.

    Example:
        >>> align(["a", " red", " boat"], ["a", " very", " blue", " boat"])
        ([0, 1, 2], [0, 2, 3], [True, False, True])
    """
    if max(len(a), len(b)) > _ALIGNED:
        n = min(len(a), len(b))
        return list(range(n)), list(range(n)), [x == y for x, y in zip(a[:n], b[:n], strict=True)]
    left: list[int] = []
    right: list[int] = []
    for kind, a0, a1, b0, b1 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if kind in ("equal", "replace"):
            n = min(a1 - a0, b1 - b0)
            left += range(a1 - n, a1)
            right += range(b1 - n, b1)
    return left, right, [a[i] == b[j] for i, j in zip(left, right, strict=True)]


def same_dictionary(a: Dictionary, b: Dictionary) -> bool:
    """Whether the features of two dictionaries are the same ones."""
    return a is b or (a.d_dict == b.d_dict and of_dictionary(a) == of_dictionary(b))


def compare_payload(
    a: Side, b: Side, pair: int | None = None, *, seed: int = 0, control: bool = True,
    check: Callable[[], None] = lambda: None, progress: Callable[[int, int, str], None] | None = None,
) -> ComparePayload:  # fmt: skip
    """Run both sides and say what is different.

    Args:
        a: One side.
        b: The other.
        pair: Number of the pair of tokens in view, `None` for the last; long prompts have predictions there alone.
        seed: Of the control.
        control: Whether the control of the edits is run, where there is one: the same text, model and dictionary, and
            other edits.
        check: Called between forwards; raises when the request is stale.
        progress: Called with (done, total, note).

    Raises:
        SaewidgetsError: A side cannot be run.
        WidgetError: No token of one stands against one of the other.
    """
    started = time.perf_counter()
    runs = a.run(), b.run()
    check()
    left, right, same = align(runs[0].tokens, runs[1].tokens)
    if not left:
        raise WidgetError("The two texts have no tokens that stand against each other.", "Compare longer texts.")
    shown = len(left) - 1 if pair is None or not 0 <= pair < len(left) else pair
    covered = list(range(len(left))) if len(left) <= FULL_TOKENS else sorted({shown, len(left) - 1})
    rows = [left[i] for i in covered], [right[i] for i in covered]
    match = _match(a, b)
    features = _features(a, b, runs, rows, covered, len(left), match)
    check()
    predictions, back, bands, controlled = _predictions(a, b, runs, rows, covered, seed, control, check, progress)
    shared = [k for k in a.scope.dictionaries if k in b.scope.dictionaries and (a.scope is b.scope or same_dictionary(
        a.scope.dictionaries[k], b.scope.dictionaries[k]))]  # fmt: skip
    name_a, name_b = names(a, b)
    return ComparePayload(
        name_a=name_a, name_b=name_b, left_token=np.array(left), right_token=np.array(right), same=np.array(same),
        pair=shown, site_a=a.site, site_b=b.site, match=match, features=features, predictions=predictions,
        kl_back=back, control=bands, controlled=controlled, shared=tuple(shared), labels=_labels(a, b, features),
        note=_note(a, b, match, predictions),
        context=_context(a, b, seed, (time.perf_counter() - started) * 1000),
    )  # fmt: skip


def _match(a: Side, b: Side) -> str:
    one, other = a.dictionary, b.dictionary
    if same_dictionary(one, other):
        return "same"
    in_one_space = a.scope.model is b.scope.model and one.site_out == other.site_out and one.d_out == other.d_out
    return "cosine" if in_one_space else "none"


def _features(
    a: Side, b: Side, runs: tuple[Run, Run], rows: tuple[list[int], list[int]], covered: Sequence[int], n: int,
    match: str,
) -> FeaturePairs:  # fmt: skip
    """What differs at each covered pair; no entries at the others."""
    entries: Iterator[list[tuple[int, int, float, float, float]]]
    here = runs[0].features[a.site], runs[1].features[b.site]
    if match == "same":
        entries = (_changed(_active(here[0], p), _active(here[1], q)) for p, q in zip(*rows, strict=True))
    elif match == "cosine":
        entries = _nearest(a, b, here, rows)
    else:
        entries = iter([[] for _ in covered])
    found = dict(zip(covered, entries, strict=True))
    lists = [found.get(i, []) for i in range(n)]
    flat = [entry for one in lists for entry in one]
    table = np.array(flat, dtype=np.float64).reshape(-1, 5)
    return FeaturePairs(
        np.cumsum([0, *map(len, lists)]), table[:, 0].astype(int), table[:, 1].astype(int), *table[:, 2:].T
    )


def _active(sparse: Any, position: int) -> dict[int, float]:
    index, value = sparse.strongest(position, sparse.d_dict)
    return dict(zip(index.tolist(), value.tolist(), strict=True))


def _changed(a: dict[int, float], b: dict[int, float]) -> list[tuple[int, int, float, float, float]]:
    """The features of one dictionary that differ most, the greatest difference first."""
    both = [(i, i, a.get(i, 0.0), b.get(i, 0.0), 1.0) for i in sorted({*a, *b})]
    moved = [row for row in both if abs(row[2] - row[3]) > _ROUNDING * max(abs(row[2]), abs(row[3]))]
    return sorted(moved, key=lambda row: -abs(row[2] - row[3]))[:N_FEATURES]


def _nearest(
    a: Side, b: Side, here: tuple[Any, Any], rows: tuple[list[int], list[int]]
) -> Iterator[list[tuple[int, int, float, float, float]]]:
    """A's strongest features, each beside the feature of B whose direction is most like its own."""
    tops = [here[0].strongest(p, N_FEATURES) for p in rows[0]]
    wanted = sorted({i for index, _ in tops for i in index.tolist()})
    one, other = a.dictionary.rows(wanted).float(), b.dictionary.directions.float().to(a.dictionary.device)
    cosine = torch.nn.functional.normalize(one, dim=1) @ torch.nn.functional.normalize(other, dim=1).T
    best = cosine.max(1)
    twin = dict(zip(wanted, zip(best.indices.tolist(), best.values.tolist(), strict=True), strict=True))
    for (index, value), q in zip(tops, rows[1], strict=True):
        there = _active(here[1], q)
        yield [
            (i, twin[i][0], v, there.get(twin[i][0], 0.0), twin[i][1])
            for i, v in zip(index.tolist(), value.tolist(), strict=True)
        ]


def _predictions(
    a: Side, b: Side, runs: tuple[Run, Run], rows: tuple[list[int], list[int]], covered: Sequence[int], seed: int,
    wanted: bool, check: Callable[[], None], progress: Callable[[int, int, str], None] | None,
) -> tuple[Predictions | None, Any, Control | None, int]:  # fmt: skip
    """Next tokens of both sides, KL from B to A, the control and whose edits it is of."""
    if not _one_vocabulary(a, b, runs):
        return None, None, None, -1
    log_p, log_q = runs[0].log_probabilities(rows[0]), runs[1].log_probabilities(rows[1])
    ids = torch.maximum(log_p, log_q).topk(min(N_WORDS, log_p.shape[1]), dim=-1).indices
    distinct, places = ids.unique(return_inverse=True)
    found = Predictions(
        positions=np.array(covered), vocabulary=tuple(runs[0].vocabulary.strings(distinct.tolist())),
        token=places.numpy(), before=log_p.gather(1, ids).exp().numpy(), after=log_q.gather(1, ids).exp().numpy(),
        kl=kl_divergence(log_p, log_q).numpy(),
    )  # fmt: skip
    back = kl_divergence(log_q, log_p).numpy()
    if not wanted or not is_causal(a, b, runs):
        return found, back, None, -1
    # Seen from the other side: what would random features have done instead of those that were edited?
    side = 1 if b.edits else 0
    edits = (a, b)[side].edits
    base = a.scope.run(a.prompt, (a, b)[1 - side].edits, sites=_keys(a, edits))
    bands = control_bands(a.scope, base, edits, rows[1 - side], ids, seed, check, progress)
    return found, back, bands, side


def is_causal(a: Side, b: Side, runs: tuple[Run, Run]) -> bool:
    """Whether the two sides differ by their edits alone."""
    one_text = runs[0].token_ids == runs[1].token_ids
    return a.scope is b.scope and one_text and a.edits != b.edits


def _keys(a: Side, edits: Sequence[Edit]) -> list[str]:
    keys = {a.site, *(feature.dictionary for edit in edits for feature in edit.features)}
    return [key for key in a.scope.dictionaries if key in keys]


def _one_vocabulary(a: Side, b: Side, runs: tuple[Run, Run]) -> bool:
    if a.scope.model.tokenizer is b.scope.model.tokenizer:
        return True
    one, other = (side.scope.model.tokenizer.get_vocab() for side in (a, b))
    return bool(one == other and runs[0].logits.shape[1] == runs[1].logits.shape[1])


def names(a: Side, b: Side) -> tuple[str, str]:
    """What makes each side another one, in words."""
    parts: list[tuple[str, str]] = []
    if a.scope is not b.scope:
        parts.append((str(a.scope.name), str(b.scope.name)))
    if a.site != b.site:
        parts.append((a.site, b.site))
    if a.edits != b.edits:
        parts.append((_edits(a.edits), _edits(b.edits)))
    if a.prompt != b.prompt or not parts:
        parts.insert(0, ("first text", "second text") if a.prompt != b.prompt else ("the same", "the same"))
    return " · ".join(one for one, _ in parts), " · ".join(other for _, other in parts)


def _edits(edits: Sequence[Edit]) -> str:
    return ", ".join(f"{edit.words} {edit.target}" for edit in edits[:3]) + (" …" * (len(edits) > 3)) or "no edits"


def _note(a: Side, b: Side, match: str, predictions: Predictions | None) -> str:
    said = []
    if match == "none":
        said.append(f"{a.site} and {b.site} are other dictionaries: their features cannot be compared one by one.")
    elif match == "cosine":
        said.append(
            f"{a.site} and {b.site} are other dictionaries of one site: each strong feature of A stands beside the "
            "feature of B whose direction is most like its own."
        )
    if predictions is None:
        said.append("The models have other vocabularies: their predictions cannot be compared word by word.")
    if a.prompt != b.prompt and (a.edits or b.edits):
        said.append("The texts differ as well as the edits: no difference here is the effect of an edit.")
    return " ".join(said)


def _labels(a: Side, b: Side, features: FeaturePairs) -> tuple[FeatureLabel, ...]:
    wanted = {f"{a.site}/{i}": a for i in features.left.tolist()} | {
        f"{b.site}/{i}": b for i in features.right.tolist()
    }
    return tuple(
        FeatureLabel(name, side.scope.labels[name])
        for name, side in sorted(wanted.items(), key=lambda item: item[0])
        if side.scope.labels.get(name)
    )


def _context(a: Side, b: Side, seed: int, milliseconds: float) -> Context:
    from saewidgets import __version__

    models = dict.fromkeys(model_words(side.scope) for side in (a, b))
    dictionaries = dict.fromkeys(dictionary_words(side.site, side.dictionary) for side in (a, b))
    dropped = any(edit.error == "drop" for side in (a, b) for edit in side.edits)
    return Context(
        " and ".join(models), " and ".join(dictionaries), "dropped" if dropped else "kept", "free", seed, milliseconds,
        __version__, code(a, b, seed),
    )  # fmt: skip


def code(a: Side, b: Side, seed: int = 0) -> str:
    """Python that shows this comparison again."""

    def both(one: str, other: str) -> str:
        return one if one == other else f"({one}, {other})"

    arguments = [both("scope", "scope" if a.scope is b.scope else "scope_2"), both(repr(a.prompt), repr(b.prompt))]
    if a.edits or b.edits:
        # A heatmap has one policy for the error term of all its edits.
        kept = [to_code([replace(edit, error="keep") for edit in side.edits]) for side in (a, b)]
        arguments.append(f"edits={both(kept[0], kept[1])}")
        terms = [repr("dropped" if any(e.error == "drop" for e in side.edits) else "kept") for side in (a, b)]
        if set(terms) != {"'kept'"}:
            arguments.append(f"error_term={both(terms[0], terms[1])}")
    arguments.append(f"site={both(repr(a.site), repr(b.site))}")
    if seed:
        arguments.append(f"seed={seed}")
    return f"sw.Compare({', '.join(arguments)})"
