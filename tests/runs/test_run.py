"""Runs and edits against plain PyTorch hooks."""

import pytest
import torch

import saewidgets as sw
from saewidgets.errors import DictionaryError, EditError, FeatureError, PromptError, SaewidgetsError, SiteError
from saewidgets.runs.run import kl_divergence
from tests.runs.conftest import byte_tokenizer, random_dictionary

PROMPT = "the red boat"


def plain(module, ids, hooks=None):
    """Logits and residual streams by hooks of our own: an oracle that shares no code with the package."""
    seen = {}

    def keep(name, edit):
        def hook(_module, _inputs, output):
            value = output[0] if isinstance(output, tuple) else output
            seen[f"{name} before"] = value.detach().clone()
            if edit is not None:
                value = edit(value)
            seen[name] = value.detach().clone()
            return (value, *output[1:]) if isinstance(output, tuple) else value

        return hook

    places = {f"resid_post.{n}": layer for n, layer in enumerate(module.model.layers)}
    places |= {f"mlp_in.{n}": layer.post_attention_layernorm for n, layer in enumerate(module.model.layers)}
    places |= {f"mlp_out.{n}": layer.mlp for n, layer in enumerate(module.model.layers)}
    handles = [m.register_forward_hook(keep(n, (hooks or {}).get(n))) for n, m in places.items()]
    try:
        with torch.no_grad():
            logits = module(torch.tensor([list(ids)])).logits[0]
    finally:
        for handle in handles:
            handle.remove()
    return logits, seen


def test_no_edit_means_bit_identical_logits(tiny, module):
    run = tiny.run(PROMPT)
    with torch.no_grad():
        assert torch.equal(run.logits, module(torch.tensor([run.token_ids])).logits[0])


def test_features_and_errors_are_those_of_the_formula(tiny, module):
    run = tiny.run(PROMPT)
    _, seen = plain(module, run.token_ids)
    for key, dictionary in tiny.dictionaries.items():
        x, y = seen[str(dictionary.site_in)][0], seen[str(dictionary.site_out)][0]
        f = dictionary.encode(x)
        torch.testing.assert_close(run.features[key].to_dense(), f, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(run.errors[key], (y - dictionary.decode(f)).norm(dim=1), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(run.norms[key], y.norm(dim=1), atol=1e-4, rtol=1e-4)
    assert "".join(run.tokens[1:]) == PROMPT


@pytest.mark.parametrize("error", ["keep", "drop"])
@pytest.mark.parametrize("positions", [None, (3, 7)])
@pytest.mark.parametrize("key", ["resid_post.0", "resid_post.1", "resid_post.1@small", "mlp_in.2"])
def test_an_edit_equals_plain_pytorch(tiny, module, key, positions, error):
    dictionary = tiny.dictionaries[key]
    base = tiny.run(PROMPT)
    index = int(base.features[key].index[base.features[key].value.argmax()])
    edit = sw.clamp(f"{key}/{index}", 4.0, positions=positions, error=error)
    run = tiny.run(PROMPT, [edit])
    rows = list(range(base.n_tokens)) if positions is None else list(positions)
    inputs = {}

    def write(value):
        x = inputs.get("x", value) if dictionary.site_in != dictionary.site_out else value
        f = dictionary.encode(x)
        edited = f.clone()
        edited[0, rows, index] = 4.0
        out = value.clone()
        change = (edited - f) @ dictionary.W_dec if error == "keep" else dictionary.decode(edited) - value
        out[0, rows] = (value + change)[0, rows]
        return out

    hooks = {str(dictionary.site_out): write}
    if dictionary.site_in != dictionary.site_out:
        hooks[str(dictionary.site_in)] = lambda value: inputs.setdefault("x", value)
    logits, seen = plain(module, base.token_ids, hooks)
    torch.testing.assert_close(run.logits, logits, atol=1e-3, rtol=1e-4)
    assert (run.logits - base.logits).abs().max() > 1e-2, "control: the edit must do something"
    expected = dictionary.encode((inputs.get("x", seen[f"{dictionary.site_out} before"]))[0])
    expected[rows, index] = 4.0
    torch.testing.assert_close(run.features[key].to_dense(), expected, atol=1e-4, rtol=1e-4)
    assert torch.equal(tiny.run_ids(base.token_ids, PROMPT).logits, base.logits)


def test_edits_at_two_sites_see_each_other(tiny, module):
    edits = [sw.ablate("resid_post.1/3"), sw.clamp("resid_post.0/1", 5.0)]
    run = tiny.run(PROMPT, edits)
    one, two = tiny.dictionaries["resid_post.0"], tiny.dictionaries["resid_post.1"]

    def first(value):
        return value + (5.0 - one.encode(value)[..., 1:2]) * one.W_dec[1]

    def second(value):
        return value - two.encode(value)[..., 3:4] * two.W_dec[3]

    logits, _ = plain(module, run.token_ids, {"resid_post.0": first, "resid_post.1": second})
    torch.testing.assert_close(run.logits, logits, atol=1e-3, rtol=1e-4)


def test_typing_at_the_end_gives_what_a_fresh_scope_gives(tiny, module):
    fresh = sw.Scope(module, tiny.dictionaries, tokenizer=byte_tokenizer())
    edits = [sw.ablate("resid_post.1/3", positions=[4]), sw.clamp("resid_post.0/1", 2.0, positions=[2])]
    text = "the red boat and the blue lantern"
    for end in (12, 15, 20, 18, 33, 13):
        for chosen in ([], edits):
            grown = tiny.run(text[:end], chosen)
            fresh.recent._runs.clear()
            again = sw.Scope(module, tiny.dictionaries, tokenizer=byte_tokenizer()).run(text[:end], chosen)
            torch.testing.assert_close(grown.logits, again.logits, atol=1e-4, rtol=1e-4)
            for key in tiny.dictionaries:
                a, b = grown.features[key].to_dense(), again.features[key].to_dense()
                torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)
                torch.testing.assert_close(grown.errors[key], again.errors[key], atol=1e-3, rtol=1e-3)
            torch.testing.assert_close(grown.surprise, again.surprise, atol=1e-3, rtol=1e-3)
            torch.testing.assert_close(grown.log_normalizer, grown.logits.logsumexp(-1), atol=1e-4, rtol=1e-4)
            assert torch.equal(grown.likely, grown.logits.topk(8).indices)
            log_likely = grown.logits.log_softmax(-1).topk(8).values
            torch.testing.assert_close(grown.log_likely, log_likely, atol=1e-4, rtol=1e-4)


def test_scopes_that_share_a_model_do_not_share_edited_prefixes(tiny):
    edit = [sw.clamp("resid_post.1/3", 9.0)]
    first = tiny.run(PROMPT, edit)
    other = sw.Scope(tiny.model, random_dictionary("resid_post.1", 77))
    alone = sw.Scope(tiny.model, random_dictionary("resid_post.1", 77))
    alone.model.prefixes.clear()
    expected = alone.run(PROMPT, edit).logits
    tiny.model.prefixes.clear()
    tiny.recent._runs.clear()
    tiny.run(PROMPT, edit)
    torch.testing.assert_close(other.run(PROMPT, edit).logits, expected, atol=1e-4, rtol=1e-4)
    assert (first.logits - expected).abs().max() > 1e-2, "control: the dictionaries differ"


def test_a_repeated_run_is_the_same_object_and_memory_is_bounded(tiny):
    assert tiny.run(PROMPT) is tiny.run(PROMPT)
    for n in range(50):
        tiny.run("x" * (n + 1))
    assert sum(r.nbytes for r in tiny.recent._runs.values()) <= tiny.recent.max_bytes
    small = type(tiny.recent)(max_bytes=4 * tiny.run(PROMPT).nbytes)
    for n in range(20):
        small.put(tiny.run("y" * (n + 1)))
        assert sum(r.nbytes for r in small._runs.values()) <= small.max_bytes


def test_predictions_surprise_and_kl_are_those_of_the_logits(tiny):
    run = tiny.run(PROMPT)
    p = run.logits.double().softmax(-1)
    shown = run.predictions(-1, 4)
    assert shown["probability"].tolist() == pytest.approx(p[-1].sort(descending=True).values[:4].tolist(), abs=1e-5)
    assert shown["id"].tolist() == p[-1].topk(4).indices.tolist()
    expected = [0.0] + [-float(p[t, i].log()) for t, i in enumerate(run.token_ids[1:])]
    assert run.surprise.tolist() == pytest.approx(expected, abs=1e-3)
    edited = tiny.run(PROMPT, [sw.clamp("resid_post.1/3", 6.0)])
    q = edited.logits.double().softmax(-1)
    kl = (p * (p.log() - q.log())).sum(-1)
    torch.testing.assert_close(run.difference(edited).kl.double(), kl, atol=1e-4, rtol=1e-3)
    table = run.difference(edited).predictions(-1, 5)
    assert (table["after"] - table["before"]).tolist() == pytest.approx(table["change"].tolist(), abs=1e-6)
    assert float(kl_divergence(p.log(), p.log()).max()) == 0


def test_top_and_frame_agree_with_the_features(tiny):
    run = tiny.run(PROMPT)
    frame = run.to_frame()
    assert len(frame) == sum(len(s.index) for s in run.features.values())
    top = run.top(position=2, n=3, dictionary="resid_post.0")
    dense = run.features["resid_post.0"].to_dense()[2]
    assert top["activation"].tolist() == pytest.approx(dense.sort(descending=True).values[:3].tolist())
    assert run.activation(top["feature"].iloc[0])[2] == pytest.approx(top["activation"].iloc[0])


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda s: s.run(""), PromptError),
        (lambda s: s.run(3), PromptError),
        (lambda s: s.run("x" * 500), PromptError),
        (lambda s: s.run(PROMPT, [sw.ablate("resid_post.9/1")]), FeatureError),
        (lambda s: s.run(PROMPT, [sw.ablate("resid_post.1/40")]), FeatureError),
        (lambda s: s.run(PROMPT, [sw.ablate("resid_post.1/3", positions=[13])]), EditError),
        (lambda s: s.run(PROMPT, ["ablate"]), EditError),
        (lambda s: s.run(PROMPT, sites=["resid_post.2"]), SiteError),
        (lambda s: s.run(PROMPT, sites=["nonsense"]), SiteError),
        (lambda s: s.run(PROMPT).predictions(99), PromptError),
        (lambda s: s.run(PROMPT).activation("resid_post.7/1"), FeatureError),
        (lambda s: s.run(PROMPT).difference(s.run("other")), EditError),
        (lambda s: sw.Scope(s.model, [random_dictionary("resid_post.9", 0)]), SaewidgetsError),
        (lambda s: sw.Scope(s.model, [random_dictionary("resid_post.1", n) for n in (0, 1)]), DictionaryError),
    ],
)
def test_bad_input_is_refused_in_a_sentence(tiny, call, error):
    with pytest.raises(error) as caught:
        call(tiny)
    assert str(caught.value).endswith(".")


def test_names_of_sites_from_elsewhere(tiny):
    for name in ("resid_post.1", "blocks.1.hook_resid_post", "model.layers.1"):
        assert list(tiny.run(PROMPT, sites=[name]).features) == ["resid_post.1"]


def test_search_by_index_and_by_words(tiny):
    assert tiny.search("17") == [("resid_post.1/17", "")]
    assert tiny.search("mlp_in.2/5") == [("mlp_in.2/5", "")]
    assert tiny.search("COLOUR") == [("resid_post.1/3", "colour word")]
    assert [f for f, _ in tiny.search("word", key="resid_post.0")] == ["resid_post.0/1", "resid_post.1/3"]
    assert tiny.search("99999") == [] and tiny.search("purple") == []
