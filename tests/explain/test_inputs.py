"""Examples, pruning, and both scores against loops over plain forward passes."""

import numpy as np
import pytest
import torch

from saewidgets.errors import FeatureError, LabelError, PromptError
from saewidgets.explain import (
    Example,
    concept_scores,
    contexts,
    input_score,
    input_share,
    max_activating,
    output_score,
    prune,
    pruned_max_activating,
    scores,
    try_text,
    vocabulary_projection,
)  # fmt: skip
from saewidgets.explain.scores import strongest_tokens

TEXTS = ["a red boat", "the cat sat", "b", "naïve 北京", "once more", "the red red cat", "a red boat"]
KEY = "resid_post.1"


def stream(twin, ids):
    with torch.no_grad():
        return twin(ids)[1].float()


def activation(twin, dictionary, ids, index):
    return dictionary.encode(stream(twin, ids))[:, index].numpy()


def busy(small, twin):
    """A feature that is active on most texts."""
    dictionary = small.dictionaries[KEY]
    counts = sum((dictionary.encode(stream(twin, small.model.tokenize(t)))[1:] > 0).any(0).int() for t in TEXTS)
    return int(counts.argmax())


def test_examples_are_the_strongest_each_once(small, twin):
    dictionary, index = small.dictionaries[KEY], busy(small, twin)
    found = max_activating(small, f"{KEY}/{index}", TEXTS, 4)
    expected = {}
    for text in TEXTS:
        values = activation(twin, dictionary, small.model.tokenize(text), index)[1:]  # <s> is no word
        expected[text] = values[np.abs(values).argmax()]
    order = sorted((t for t in expected if expected[t]), key=lambda t: -abs(expected[t]))[:4]
    assert [example.text for example in found] == order  # "a red boat" stands there once
    np.testing.assert_allclose([e.value for e in found], [expected[t] for t in order], rtol=1e-4)


def test_characters_cut_into_tokens_are_whole(small):
    """Regression of a peer: mojibake for everything that is not ASCII."""
    example = try_text(small, f"{KEY}/1", "naïve 北京")
    assert example.text == "naïve 北京" and "�" not in "".join(example.tokens)
    assert example.special == (0,)
    every = range(len(example.tokens))
    assert example.marked(list(every)) == "<<naïve 北京>>"
    assert example.to_frame()["activation"].tolist() == example.activations.tolist()


def test_an_example_is_checked():
    assert Example(("a", "b"), [0, 2]).marked([1]) == "a<<b>>"
    for tokens, values, ids in ((("a",), [1, 2], ()), ((), [], ()), (("a",), [1], (1, 2))):
        with pytest.raises(LabelError):
            Example(tokens, values, ids)


def brute_prune(small, twin, index, ids, position, filler, keep=0.5, important=0.3):
    """N2G's first steps, one forward pass at a time."""
    dictionary = small.dictionaries[KEY]

    def last(row):
        return float(activation(twin, dictionary, row, index)[-1])

    original = last(ids[: position + 1])
    start = 1
    while start < position and last([ids[0], *ids[start + 1 : position + 1]]) >= keep * original:
        start += 1
    row = [ids[0], *ids[start : position + 1]]
    base, importance = last(row), np.full(position + 1, np.nan)
    for place in range(1, len(row)):
        masked = [*row[:place], filler, *row[place + 1 :]]
        importance[start + place - 1] = 1 - last(masked) / base
    needed = np.nan_to_num(importance, nan=-9) > important
    pattern = [row[0], *(t if needed[start + n] else filler for n, t in enumerate(row[1:]))]
    return start, original, base, importance, needed, last(pattern)


def test_pruning_is_the_loop(small, twin):
    dictionary, tried = small.dictionaries[KEY], 0
    for text in ("a red boat", "the red red cat", "once more"):
        ids = small.model.tokenize(text)
        values = dictionary.encode(stream(twin, ids))
        for index in values[1:].max(0).values.topk(3).indices.tolist():
            position = int(values[1:, index].argmax()) + 1
            start, original, base, importance, needed, pattern = brute_prune(small, twin, index, ids, position, 33)
            found = prune(small, f"{KEY}/{index}", text, filler=33, alternatives=0)
            assert found.start == start and found.activation == pytest.approx(original, rel=1e-3)
            assert found.shortened == pytest.approx(base, rel=1e-3)
            np.testing.assert_allclose(found.importance, importance, atol=2e-3)
            assert found.needed.tolist() == needed.tolist()
            assert found.pattern_activation == pytest.approx(pattern, rel=1e-3, abs=1e-3)
            assert len(found.pattern.split(" → ")) == position + 1 - start
            tried += 1
    assert tried == 9


def test_alternatives_keep_the_feature_awake(small, twin):
    index = busy(small, twin)
    found = pruned_max_activating(small, f"{KEY}/{index}", TEXTS, 3, filler=33, alternatives=40)
    checked = 0
    for one in found:
        row = [one.ids[0], *one.ids[one.start :]]
        for place, others in one.alternatives.items():
            for number in range(257):
                token = small.model.tokenizer.decode([number])
                if token not in others or not token.isascii():
                    continue
                changed = list(row)
                changed[place - one.start + 1] = number
                value = activation(twin, small.dictionaries[KEY], changed, index)[-1]
                assert value >= 0.5 * one.shortened - 1e-3
                assert number != one.ids[place]
                checked += 1
    assert checked > 3
    frame = found[0].to_frame()
    assert set(frame["state"]) <= {"dropped", "needless", "needed"} and len(frame) == len(found[0].tokens)


def test_pruning_refuses_what_it_cannot_do(small, twin):
    ids = small.model.tokenize("b")
    quiet = int((small.dictionaries[KEY].encode(stream(twin, ids))[1] == 0).nonzero()[0])
    with pytest.raises(FeatureError, match="not active"):
        prune(small, f"{KEY}/{quiet}", "b", filler=33)
    with pytest.raises(PromptError, match="outside"):
        prune(small, f"{KEY}/1", "b", position=9, filler=33)


def test_input_score_is_the_share(small, twin):
    dictionary, k, n = small.dictionaries[KEY], 20, 3
    promoted = vocabulary_projection(small, KEY, k).promoted
    expected, tokens = [], []
    for index in range(40):
        tops = []
        for text in TEXTS:
            ids = small.model.tokenize(text)
            values = activation(twin, dictionary, ids, index)
            values[0] = 0
            if values.any():
                best = int(np.abs(values).argmax())
                tops.append((abs(values[best]), ids[best]))
        tops = [token for _, token in sorted(tops, key=lambda pair: -pair[0])[:n]]
        tokens.append(sorted(tops))
        expected.append(np.mean([t in promoted[index] for t in tops]) if tops else np.nan)
    found = strongest_tokens(small, KEY, TEXTS, n)
    assert [sorted(t for t in line if t >= 0) for line in found.tolist()] == tokens
    np.testing.assert_allclose(input_score(small, KEY, TEXTS, k, n), expected)
    assert np.nanmax(expected) > 0 and np.nanmin(expected) == 0
    some = input_score(small, [f"{KEY}/8", f"{KEY}/3"], TEXTS, k, n)
    np.testing.assert_allclose(some, np.array(expected)[[8, 3]])


def test_input_share_of_arrays():
    share = input_share(np.array([[1, 2, -1], [5, 5, 5], [-1, -1, -1]]), np.array([[1, 9], [5, 6], [0, 1]]))
    np.testing.assert_array_equal(share, [0.5, 1.0, np.nan])


def test_output_score_is_the_formula(small, twin, monkeypatch):
    dictionary, prompts, k = small.dictionaries[KEY], ["the cat", "a b"], 5
    promoted = vocabulary_projection(small, KEY, k).promoted

    def score(logits, ids):
        p = logits[-1].softmax(-1)
        order = p.argsort(descending=True).tolist()
        return (1 - min(order.index(i) for i in ids) / 257) * max(float(p[i]) for i in ids)

    after, before = np.zeros(40), np.zeros(40)
    for prompt in prompts:
        ids = small.model.tokenize(prompt)
        greatest = float(dictionary.encode(stream(twin, ids))[-1].max())
        for index in range(40):

            def change(x, index=index, greatest=greatest):
                y = x.clone()
                y[-1] += 10 * greatest * dictionary.directions[index].double()
                return y

            with torch.no_grad():
                after[index] += score(twin(ids, change)[0], promoted[index]) / 2
                before[index] += score(twin(ids)[0], promoted[index]) / 2
    np.testing.assert_allclose(output_score(small, KEY, prompts, k), after, atol=1e-4)
    # The same formula with a concept's words, alike for all features; its column does not depend on the others.
    both = concept_scores(small, KEY, {"own of 3": promoted[3].tolist(), "two": [7, 9]}, prompts)
    assert both["own of 3"].iloc[3] == pytest.approx(after[3], abs=1e-4) and both.index[3] == f"{KEY}/3"
    alone = concept_scores(small, KEY, {"two": [7, 9]}, prompts)
    np.testing.assert_allclose(both["two"], alone["two"], atol=1e-6)
    assert np.ptp(alone["two"]) > 1e-3
    monkeypatch.setattr(contexts, "_TOKENS", 30)  # several batches
    found = scores(small, KEY, TEXTS, prompts, k)
    np.testing.assert_allclose(found.output, after, atol=1e-4)
    np.testing.assert_allclose(found.before, before, atol=1e-4)
    assert np.ptp(after) > 0.01  # a hundred times what is tolerated


def test_quadrants_hold_every_feature_once(small):
    found = scores(small, KEY, TEXTS, ["the cat"], 20)
    middle = float(np.median(found.output))
    frame = found.to_frame(0.1, middle)
    for name, row in frame.iterrows():
        reads, writes = row["input"] >= 0.1, row["output"] >= middle
        expected = {(1, 1): "both", (1, 0): "input", (0, 1): "output", (0, 0): "neither"}[reads, writes]
        assert row["quadrant"] == expected
        assert name in found.pick(expected, 0.1, middle)
    assert sum(len(found.pick(q, 0.1, middle)) for q in ("both", "input", "output", "neither")) == 40
    assert frame["quadrant"].nunique() > 2
    with pytest.raises(FeatureError, match="quadrant"):
        found.pick("all")
