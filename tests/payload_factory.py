"""Sample payloads without a model: the sentence of the mock screens, and prompts of any length.

Shared by the tests of figures, export and front end (js/test reads what `python -m tests.payload_factory` writes).
"""

import sys
from collections.abc import Sequence

import numpy as np

from saewidgets.payloads import (
    ChosenFeature,
    Context,
    Control,
    FeatureLabel,
    HeatmapPayload,
    Predictions,
    SiteView,
    Sparse,
    Tokens,
    encode,
)

SENTENCE = ["bos", "When", " Mira", " and", " Tom", " came", " to", " the", " pond", ",", " Tom", " gave", " the",
            " red", " lan", "tern", " to"]  # fmt: skip
# (label, id, edit, scale, maximum, {position: activation}, {position: activation under the edits})
MOCK = [
    ("a name already said once", "resid_post.1/417", "ablate", 0.0, 8.1, {4: 2.1, 10: 8.1}, {}),
    ("female name", "resid_post.2/88", "", 1.0, 9.3, {2: 9.3, 16: 2.8}, {2: 9.3, 16: 0.9}),
    ("someone is about to receive", "resid_post.2/903", "", 1.0, 7.5, {11: 2.3, 15: 0.9, 16: 6.2},
     {11: 2.3, 15: 0.9, 16: 2.3}),
    ("colour word", "resid_post.2/251", "x 1.5", 1.5, 13.5, {13: 9.0, 14: 2.0}, {13: 13.5, 14: 3.0}),
]  # fmt: skip
WORDS = [" Mira", " Tom", " the", " her", " him"]
BEFORE, AFTER = [0.71, 0.04, 0.09, 0.06, 0.02], [0.29, 0.38, 0.14, 0.05, 0.04]


def _row(length: int, values: dict[int, float]) -> np.ndarray:
    row = np.zeros(length, np.float32)
    for position, value in values.items():
        if position < length:
            row[position] = value
    return row


def _feature(number: int, length: int, edits: bool, random: np.random.Generator) -> ChosenFeature:
    if number < len(MOCK) and length == len(SENTENCE):
        label, name, edit, scale, maximum, before, after = MOCK[number]
        values = _row(length, before)
        return ChosenFeature(
            name, label, number, maximum, values, _row(length, after) if edits else None, edit if edits else "",
            scale if edits else 1.0,
        )  # fmt: skip
    values = np.where(random.random(length) < 0.15, random.gamma(2.0, 2.0, length), 0).astype(np.float32)
    maximum = float(values.max(initial=0)) or 1.0
    after = np.where(random.random(length) < 0.5, values, 0).astype(np.float32) if edits else None
    return ChosenFeature(f"resid_post.2/{number}", f"feature number {number}", number, maximum, values, after)


def _sparse(length: int, random: np.random.Generator, width: int = 1024) -> Sparse:
    each = 5 if length <= 2000 else 0
    index = random.integers(0, width, length * each)
    value = np.sort(random.gamma(2.0, 2.0, (length, each)), axis=1)[:, ::-1]
    return Sparse(np.arange(length + 1) * each, index, value.reshape(-1).astype(np.float32))


def make_payload(
    n_tokens: int = 17,
    n_features: int = 4,
    edits: bool = True,
    seed: int = 0,
    texts: Sequence[str] | None = None,
    **changes: object,
) -> HeatmapPayload:
    """A payload that fits its declaration.

    Args:
        n_tokens: Length of the prompt; 17 is the sentence of the mock screens with its numbers.
        n_features: Chosen features.
        edits: Whether there is a before and an after, with a control.
        seed: Of the random numbers beyond the mock's.
        texts: Token texts instead of the sentence's.
        **changes: Fields to replace.
    """
    random = np.random.default_rng(seed)
    words = list(texts) if texts is not None else SENTENCE + (SENTENCE[1:] * (n_tokens // 16 + 1))
    words = words[: len(words) if texts is not None else n_tokens]
    length = len(words)
    kind = np.zeros(length, np.uint8)
    if texts is None and length:
        kind[0] = 1
    last = max(length - 1, 0)
    positions = np.arange(length) if length <= 200 else np.array([last])
    shape = (len(positions), len(WORDS))
    before = np.tile(np.float32(BEFORE), (shape[0], 1))
    after = np.tile(np.float32(AFTER), (shape[0], 1))
    error = random.uniform(0.03, 0.2, length).astype(np.float32)
    surprise = random.gamma(1.5, 1.5, length).astype(np.float32)
    features = tuple(_feature(n, length, edits, random) for n in range(n_features))
    view = SiteView(
        "resid_post.2", "topk", 1024, _sparse(length, random), random.integers(8, 16, length), error,
        _sparse(length, random) if edits else None, random.integers(8, 16, length) if edits else None,
        error * np.float32(1.1) if edits else None,
    )  # fmt: skip
    control = Control(
        20, 0, np.clip(before - 0.025, 0, 1), np.clip(before + 0.025, 0, 1),
        np.tile([0.02, 0.07], (shape[0], 1)), np.tile([0.01, 0.03], (shape[0], 1)),
    ) if edits else None  # fmt: skip
    fields: dict[str, object] = {
        "prompt": "".join(words[1:] if texts is None else words),
        "tokens": Tokens(tuple(words), np.arange(length) + 5, kind),
        "sites": (view,),
        "site": "resid_post.2",
        "features": features,
        "fill": features[min(2, n_features - 1)].id if features else "error",
        "selection": last,
        "surprise": surprise,
        "predictions": Predictions(
            positions, tuple(WORDS), np.tile(np.arange(len(WORDS)), (shape[0], 1)), before,
            after if edits else None, np.full(shape[0], 0.84) if edits else None,
        ),
        "context": Context("demo", "4 layers · TopK 16, 1 024 features a site", milliseconds=38.0, version="0.1.0"),
        "surprise_after": surprise * np.float32(1.2) if edits else None,
        "control": control,
        "n_edits": 2 if edits else 0,
        "labels": tuple(FeatureLabel(feature.id, feature.label) for feature in features),
    }  # fmt: skip
    return HeatmapPayload(**{**fields, **changes})


if __name__ == "__main__":
    sys.stdout.buffer.write(encode(make_payload(*map(int, sys.argv[1:]))))
