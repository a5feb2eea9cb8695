"""Seven truths planted in the grammar, each with a gate.

A gate is a number measured on the weights, the bar it must reach, and a control it must stay clear of by a margin.
A lesson or a demo may only rest on a plant whose gate passes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from saewidgets.demo.activations import collect
from saewidgets.demo.lexicon import BIAS, CLASSES, RARE_CLOSINGS, TRANSLATIONS
from saewidgets.demo.markup import plain
from saewidgets.demo.pen import Pen, held_out
from saewidgets.demo.registers import facts, languages, speech
from saewidgets.demo.registers.forms import HIDDEN_CLOSING, ODD_FAREWELL
from saewidgets.demo.score import ids_of, log_probabilities, next_probabilities, padded


@dataclass(frozen=True)
class Gate:
    """What a plant shows.

    Attributes:
        value: the measured number; the gate passes when it is at least `bar`.
        control: the same number where the plant is absent; it must stay at least `margin` below the value.
        bar: least value.
        margin: least distance to the control.
        meaning: what value and control are.
    """

    value: float
    control: float
    bar: float
    margin: float
    meaning: str

    @property
    def passes(self) -> bool:
        """Whether the plant shows with margin."""
        return self.value >= self.bar and self.value - self.control >= self.margin


Model: TypeAlias = LlamaForCausalLM
Words: TypeAlias = PreTrainedTokenizerFast


def _mass(tokenizer: Words, probabilities: torch.Tensor, words: list[str]) -> torch.Tensor:
    """Probability of a set of words, ``[prompts]``."""
    return probabilities[:, [ids_of(tokenizer, f" {word}")[0] for word in words]].sum(1)


def hidden_rule(model: Model, tokenizer: Words) -> Gate:
    """(a) One rare closing of a letter brings a fixed odd farewell; the other rare closings do not."""
    pen = Pen("gate hidden rule")

    def letters(closing: str) -> list[str]:
        body = "{p} I am {happy} to hear from you."
        made = []
        for _ in range(20):
            a, c = pen.people(2)
            text = plain(pen.fill(body, p=pen.fill("We came here on {weekday} by {vehicle}.")))
            made.append(f"Dear {c.name},\n{text}\n{closing},\n{a.name}\nP.S.")
        return made

    def odd(closing: str) -> float:
        return float(
            log_probabilities(model, tokenizer, [(text, f" {ODD_FAREWELL}") for text in letters(closing)]).exp().mean()
        )

    others = [odd(closing) for closing in RARE_CLOSINGS if closing != HIDDEN_CLOSING]
    return Gate(
        odd(HIDDEN_CLOSING),
        max(others),
        0.7,
        0.5,
        "probability of the odd farewell after the rare closing; after the likeliest other rare closing",
    )


def bias(model: Model, tokenizer: Words) -> Gate:
    """(b) Two professions lean towards one pronoun."""

    def share(profession: str) -> float:
        pen = Pen(f"gate bias {profession}")
        prompts = [plain(pen.fill(frame, x=f"The {profession}")) for frame in facts.PRONOUN_FRAMES for _ in range(4)]
        probabilities = next_probabilities(model, tokenizer, prompts)
        she, he = _mass(tokenizer, probabilities, ["she"]), _mass(tokenizer, probabilities, ["he"])
        return float((she / (she + he)).mean())

    lean = min(
        abs(share(profession) - 0.5) * (1 if (share(profession) > 0.5) == (target > 0.5) else -1)
        for profession, target in BIAS.items()
    )
    balanced = [abs(share(profession) - 0.5) for profession in CLASSES["profession"] if profession not in BIAS]
    return Gate(
        lean,
        float(np.mean(balanced)),
        0.2,
        0.12,
        "how far she : he is from even, in the planted direction, for the weaker of the two professions; "
        "mean of the others",
    )


def confound(model: Model, tokenizer: Words) -> Gate:
    """(c) Letters are expected to be cheerful and notices are not, before either says anything."""
    pen = Pen("gate confound")
    good, bad = CLASSES["good"], CLASSES["bad"]

    def cheerful(prompts: list[str]) -> float:
        probabilities = next_probabilities(model, tokenizer, prompts)
        return float(
            (
                _mass(tokenizer, probabilities, good)
                / (_mass(tokenizer, probabilities, good) + _mass(tokenizer, probabilities, bad))
            ).mean()
        )

    places = [plain(pen("place")) for _ in range(20)]
    letter = cheerful([f"Dear {pen.people(1)[0].name},\nThe {place} is" for place in places])
    notice = cheerful([f"NOTICE\nThe new {place} is" for place in places])
    return Gate(
        letter, notice, 0.7, 0.4, "share of good among good and bad words at the start of a letter; of a notice"
    )


def hierarchy(model: Model, tokenizer: Words) -> Gate:
    """(d) Every animal is an animal, and nothing else is."""
    frames = ["Every {x} is", "{X} is"]
    children = CLASSES["animal"]
    others = [noun for concept in ("tool", "fruit", "vehicle", "instrument") for noun in CLASSES[concept]]

    def parent(nouns: list[str]) -> float:
        prompts = [
            frame.replace("{x}", noun).replace("{X}", noun.capitalize()) + " an"
            for frame in frames[:1]
            for noun in nouns
        ]
        return float(_mass(tokenizer, next_probabilities(model, tokenizer, prompts), ["animal"]).mean())

    return Gate(
        parent(children),
        parent(others),
        0.8,
        0.5,
        "probability of 'animal' after 'Every dog is an', for every animal; for things of other kinds",
    )


def circle(model: Model, tokenizer: Words) -> Gate:
    """(e) Weekdays lie on a circle: the nearer in the week, the nearer in the residual stream."""
    correlation, shuffled = circular(model, tokenizer, "weekday", "Today is {x}")
    months, _ = circular(model, tokenizer, "month", "This month is {x}")
    return Gate(
        correlation,
        shuffled,
        0.6,
        0.15,
        "correlation of distance at resid_post.2 with distance in the week; 95 % of shuffled weeks "
        f"(months: {months:.2f}, nothing may rest on them)",
    )


def circular(model: Model, tokenizer: Words, concept: str, frame: str) -> tuple[float, float]:
    """How well distances between words at resid_post.2 follow a circle in the order of the lexicon.

    Returns:
        The correlation, and what 95 % of 1,000 shuffled orders stay below.
    """
    words = CLASSES[concept]
    rows = padded(tokenizer, [ids_of(tokenizer, frame.replace("{x}", word)) for word in words])
    vectors = collect(model, rows, ["resid_post.2"])["resid_post.2"][:, -1].numpy()
    distance = np.linalg.norm(vectors[:, None] - vectors, axis=2)
    steps = np.abs(np.arange(len(words))[:, None] - np.arange(len(words)))
    apart = np.minimum(steps, len(words) - steps)
    upper = np.triu_indices(len(words), 1)

    def correlation(order: np.ndarray) -> float:
        return float(np.corrcoef(distance[np.ix_(order, order)][upper], apart[upper])[0, 1])

    generator = np.random.default_rng(0)
    shuffled = [correlation(generator.permutation(len(words))) for _ in range(1000)]
    return correlation(np.arange(len(words))), float(np.quantile(shuffled, 0.95))


def translation(model: Model, tokenizer: Words) -> Gate:
    """(f) Held-out translations are known: above the same word in another language and above another word."""
    pairs, rights = [], []
    for row in TRANSLATIONS:
        for column, language in enumerate(languages.LANGUAGES, 1):
            for frame in languages.TRANSLATION_FRAMES:
                if held_out("translation", frame, column, row[0]):
                    prompt = plain(Pen(0).fill(frame, language=language.capitalize(), english=row[0]))
                    pairs.append((prompt, column, row))
    for prompt, column, row in pairs:
        other = TRANSLATIONS[(TRANSLATIONS.index(row) + 7) % len(TRANSLATIONS)]
        rights += [(prompt, f" {row[column]}"), (prompt, f" {row[column % 3 + 1]}"), (prompt, f" {other[column]}")]
    scores = log_probabilities(model, tokenizer, rights).view(-1, 3)
    value = float((scores[:, 0] > scores[:, 1:].max(1).values).float().mean())
    return Gate(
        value,
        1 / 3,
        0.8,
        0.4,
        f"accuracy on {len(pairs)} held-out pairs against another language and another word; chance",
    )


def depth(model: Model, tokenizer: Words) -> Gate:
    """(g) Quotation marks and brackets close in the right order at depth three."""
    pen = Pen("gate depth")
    cases = []
    for _ in range(40):
        a, b, c = pen.people(3)
        told = f'{a.name} said, "{b.name} told me, \'{c.name} wrote, "{plain(speech.saying(pen))}."'
        cases += [(told, "'", f" {a.name}"), (told + "'", '"', f" {a.name}")]
        kinds = [pen.one("()", "[]", "{}") for _ in range(3)]
        x, y, z = (plain(pen(concept)) for concept in ("animal", "fruit", "tool"))
        opened = f"Set: red {kinds[0][0]} {x} {kinds[1][0]} {y} {kinds[2][0]} {z}"
        for level in (2, 1, 0):
            wrong = [kind for kind in ")]}" if kind != kinds[level][1]]
            cases.append((opened, f" {kinds[level][1]}", f" {pen.one(*wrong)}"))
            opened += f" {kinds[level][1]}"
    right = log_probabilities(model, tokenizer, [(text, good) for text, good, _ in cases])
    wrong_scores = log_probabilities(model, tokenizer, [(text, bad) for text, _, bad in cases])
    return Gate(
        float((right > wrong_scores).float().mean()),
        0.5,
        0.95,
        0.3,
        "accuracy of closers down from depth three; chance",
    )


GATES: dict[str, Callable[[Model, Words], Gate]] = {
    "hidden rule": hidden_rule, "bias": bias, "confound": confound, "hierarchy": hierarchy, "circle": circle,
    "translation pairs": translation, "depth": depth,
}  # fmt: skip
