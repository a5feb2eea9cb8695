"""Edits and error terms of dictionaries that normalise, skip or read the context, against plain PyTorch."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import saewidgets as sw
from saewidgets.dictionaries import Activation, Crosscoder, FeedForward, MatchingPursuit, Norm, Switch, Temporal
from saewidgets.dictionaries.temporal import CodeAttention
from saewidgets.errors import DictionaryError
from saewidgets.sites import Site
from tests.runs.conftest import WIDTH, random_dictionary

SITE = Site("resid_post", 1)
PROMPT = "a red boat on a lake"


def randn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 0.4


def layer_norm():
    return dataclasses.replace(random_dictionary("resid_post.1", 3), norm=Norm("layer_norm"), b_in=randn(4, WIDTH))


def skip():
    plain = random_dictionary("mlp_in.1", 5, out="mlp_out.1", kind="relu")
    return dataclasses.replace(plain, W_skip=randn(6, WIDTH, WIDTH), architecture="skip_transcoder")


def temporal():
    m = 12
    attention = CodeAttention(
        randn(1, m, 4), randn(2, 4), randn(3, m, 4), randn(4, 4), randn(5, m, m), randn(6, m), randn(7, m, m),
        randn(8, m), 2,
    )  # fmt: skip
    W = randn(9, m, WIDTH)
    bias = randn(10, WIDTH)
    return Temporal(W.T, W, bias, bias, (attention,), Activation("topk", k=4), SITE, Norm("factor", 20.0))


def switch():
    return Switch(
        randn(1, WIDTH, 12), randn(2, 12, WIDTH), randn(3, WIDTH), randn(4, WIDTH, 3), randn(5, WIDTH), 2, SITE
    )


def pursuit():
    W = torch.nn.functional.normalize(randn(1, 40, WIDTH), dim=1)
    return MatchingPursuit(W, randn(2, WIDTH), 5, SITE)


KINDS = {"layer norm": layer_norm, "skip": skip, "temporal": temporal, "switch": switch, "pursuit": pursuit}


def hooked(scope, dictionary, ids, change):
    """Logits of the plain module when `change(x, y)` replaces what the dictionary's site_out holds."""
    module = scope.model.module
    block = module.model.layers[1]
    seen = {}
    hooks = []
    if dictionary.site_in == dictionary.site_out:

        def rewrite(_, __, output):
            value = output[0] if isinstance(output, tuple) else output
            new = change(value[0], value[0])[None].to(value.dtype)
            return (new, *output[1:]) if isinstance(output, tuple) else new

        hooks.append(block.register_forward_hook(rewrite))
    else:
        hooks.append(block.mlp.register_forward_pre_hook(lambda _, args: seen.update(x=args[0])))
        hooks.append(block.mlp.register_forward_hook(lambda _, __, out: change(seen["x"][0], out[0])[None]))
    try:
        with torch.no_grad():
            return module(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("error", ["keep", "drop"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_is_what_its_formula_says(tiny, kind, error):
    dictionary = KINDS[kind]()
    key = str(dictionary.site_in)
    scope = sw.Scope(tiny.model, {key: dictionary})
    scope.run("a red boat")  # something to reuse, which a dictionary that reads the context must not
    base = scope.run(PROMPT)
    index = int(base.features[key].value.abs().argmax())
    feature = int(base.features[key].index[index])

    def change(x, y):
        f = dictionary.encode(x)
        new = f.clone()
        new[:, feature] = 3.0
        if error == "drop":
            return dictionary.decode(new, x)
        scale = dictionary.scale(x)
        written = (new - f) @ dictionary.directions
        return y + (written if scale is None else written * scale)

    for prompt in ("a red boat", PROMPT):  # the second one shares a prefix with the first
        run = scope.run(prompt, [sw.clamp(f"{key}/{feature}", 3.0, error=error)])
        expected = hooked(scope, dictionary, list(run.token_ids), change)
        torch.testing.assert_close(run.logits, expected, atol=2e-4, rtol=1e-3)
        torch.testing.assert_close(run.activation(f"{key}/{feature}"), torch.full((run.n_tokens,), 3.0))


@pytest.mark.parametrize("kind", KINDS)
def test_features_and_errors_do_not_depend_on_what_was_run_before(tiny, kind):
    dictionary = KINDS[kind]()
    key = str(dictionary.site_in)
    warm, cold = (sw.Scope(tiny.model, {key: dictionary}) for _ in range(2))
    warm.run("a red")
    warm.run("a red boat on")
    one, two = warm.run(PROMPT), cold.run(PROMPT)
    torch.testing.assert_close(one.features[key].to_dense(), two.features[key].to_dense(), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(one.errors[key], two.errors[key], atol=1e-4, rtol=1e-3)
    trace = tiny.model.trace(list(one.token_ids), (dictionary.site_in, dictionary.site_out))
    x, y = (trace.values[site][0] for site in (dictionary.site_in, dictionary.site_out))
    torch.testing.assert_close(one.errors[key], dictionary.error(x, y).norm(dim=-1), atol=1e-4, rtol=1e-3)


def test_a_crosscoder_is_refused_by_a_sentence(tiny):
    relu = Activation("relu")
    crosscoder = Crosscoder(
        torch.randn(2, WIDTH, 8), torch.randn(2, 8, WIDTH), torch.zeros(8), torch.zeros(2, WIDTH), relu, (SITE, SITE)
    )
    with pytest.raises(DictionaryError, match="several places"):
        sw.Scope(tiny.model, crosscoder)


def test_plain_dictionaries_are_of_the_public_type():
    assert issubclass(FeedForward, sw.Dictionary)
