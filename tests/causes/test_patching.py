"""Patch maps and path patching equal to plain hooks, on several families of models."""

import pytest
import torch

import saewidgets as sw
from saewidgets.causes import patch_map, path_patch, regions
from saewidgets.errors import EditError, PromptError, SiteError
from saewidgets.sites import Site
from tests.model import oracle
from tests.model.tiny import LAYERS, make, prompt, tokenizer
from tests.runs.conftest import random_dictionary

CLEAN, CORRUPT = prompt(0, 6), prompt(0, 6)
CORRUPT[2] = CORRUPT[2] % 60 + 1
CORRUPT[4] = CORRUPT[4] % 60 + 1
STREAMS = {"resid": "resid_post", "attention": "attn_out", "mlp": "mlp_out", "heads": "attn_z"}
FAMILIES = ["gpt2", "llama", "gemma2", "gpt_neox"]
TARGET = (7, 11)


class Hooks:
    """The two prompts by plain hooks."""

    def __init__(self, family):
        self.module = make(family)
        self.sites = [Site(s, layer) for s in STREAMS.values() for layer in range(LAYERS)]
        self.clean, self.corrupt = (oracle.run(self.module, ids, self.sites) for ids in (CLEAN, CORRUPT))
        self.high, self.low = (self.metric(run) for run in (self.clean, self.corrupt))

    def metric(self, run):
        return float(run.logits[0, -1, TARGET[0]].double() - run.logits[0, -1, TARGET[1]].double())

    def restored(self, writes, read=()):
        run = oracle.run(self.module, CORRUPT, list(read), writes)
        return (self.metric(run) - self.low) / (self.high - self.low), run

    def put(self, site, places, columns=slice(None)):
        def write(value, _values, _offset):
            new = value.clone()
            new[0, places, columns] = self.clean.values[site][0, places, columns]
            return new

        return write


def held(hooks, sites):
    """Attention and MLP at their values on the corrupted prompt."""
    return {site: lambda value, _v, _o, site=site: hooks.corrupt.values[site] for site in sites}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_cell_is_what_plain_hooks_restore(family):
    hooks, scope = Hooks(family), sw.Scope(make(family), tokenizer=tokenizer())
    found = patch_map(scope, CLEAN, CORRUPT, TARGET, kinds=list(STREAMS), controls=1)
    assert (found.low, found.high) == pytest.approx((hooks.low, hooks.high), abs=1e-4)
    width = hooks.corrupt.values[Site("attn_z", 0)].shape[-1] // 2
    frame = found.to_frame()
    assert len(frame) == LAYERS * 6 * (3 + 2)
    for row in frame.itertuples():
        columns = slice(None)
        if row.kind == "heads":
            head = int(row.node.split(".")[2])
            columns = slice(head * width, (head + 1) * width)
        site = Site(STREAMS[row.kind], row.layer)
        expected, _ = hooks.restored({site: hooks.put(site, [row.position], columns)})
        assert row.restored == pytest.approx(expected, abs=2e-3), row
    assert frame["restored"].abs().max() > 0.2
    last = found.pivot("resid").iloc[-1]
    assert last[5] == pytest.approx(1, abs=1e-3) and last[:5].abs().max() < 1e-4
    assert not frame.loc[frame["position"] < 2, "restored"].any()  # the prompts begin alike


PATHS = [
    ("head.0.1", "head.2.0"),
    ("mlp_out.0", "mlp_out.2"),
    ("attn_out.1", "logits"),
    ("head.1.0", "mlp_out.1"),
    ("resid_post.0", "attn_out.2"),
]


@pytest.mark.parametrize(("sender", "receiver"), PATHS)
def test_a_path_is_what_two_plain_runs_give(sender, receiver):
    """On a model whose attention and MLP stand in a row, so that all kinds of paths exist."""
    hooks, scope = Hooks("llama"), sw.Scope(make("llama"), tokenizer=tokenizer())
    width = 8

    def place(name):
        if not name.startswith("head"):
            return Site.parse(name), slice(None)
        _, layer, head = name.split(".")
        return Site("attn_z", int(layer)), slice(int(head) * width, (int(head) + 1) * width)

    source, columns = place(sender)
    goal, goal_columns = (None, None) if receiver == "logits" else place(receiver)
    between = []
    for layer in range(LAYERS):
        for site in (Site("attn_out", layer), Site("mlp_out", layer)):
            own = source.stream == "attn_z" and site == Site("attn_out", source.layer)
            if site.order > source.order and not own and (goal is None or site.order < goal.order):
                between.append(site)
    writes = held(hooks, between) | {source: hooks.put(source, slice(None), columns)}
    expected, run = hooks.restored(writes, [goal] if goal else [])
    if goal is not None:

        def write(value, _values, _offset):
            new = value.clone()
            new[..., goal_columns] = run.values[goal][..., goal_columns]
            return new

        expected, _ = hooks.restored({goal: write})
    found = path_patch(scope, CLEAN, CORRUPT, sender, receiver, TARGET, controls=2)
    assert found.restored == pytest.approx(expected, abs=1e-3)
    assert abs(expected) > 1e-3
    row = found.to_frame().iloc[0]
    assert row["prompts"] == 1 and row["error"] == "kept" and "direct" in row["propagation"]


def test_a_node_may_be_a_feature():
    """The sender's difference along its direction; the receiver moved by as much as the sender moves it."""
    hooks = Hooks("llama")
    first, second = random_dictionary("resid_post.0", 1, kind="relu"), random_dictionary("resid_post.2", 2, kind="relu")
    scope = sw.Scope(make("llama"), [first, second], tokenizer=tokenizer())
    a, b = Site("resid_post", 0), Site("resid_post", 2)
    moves = [d.encode(hooks.clean.values[s]) - d.encode(hooks.corrupt.values[s]) for d, s in ((first, a), (second, b))]
    i = int(moves[0][0].abs().max(0).values.argmax())

    def sent(value, _values, _offset):
        return value + moves[0][0, :, i, None] * first.directions[i]

    between = [site for site in hooks.sites if site.stream in ("attn_out", "mlp_out") and site.layer in (1, 2)]
    _, run = hooks.restored(held(hooks, between) | {a: sent}, [b])
    change = second.encode(run.values[b]) - second.encode(hooks.corrupt.values[b])
    j = int(change[0].abs().max(0).values.argmax())

    def received(value, _values, _offset):
        return value + change[0, :, j, None] * second.directions[j]

    expected, _ = hooks.restored({b: received})
    found = path_patch(scope, CLEAN, CORRUPT, f"resid_post.0/{i}", f"resid_post.2/{j}", TARGET, controls=1)
    assert found.restored == pytest.approx(expected, abs=1e-3) and abs(expected) > 1e-3


def test_features_are_patched_by_their_difference():
    hooks, dictionary = Hooks("llama"), random_dictionary("resid_post.1", 2)
    scope = sw.Scope(make("llama"), [dictionary], tokenizer=tokenizer())
    found = patch_map(scope, CLEAN, CORRUPT, TARGET, kinds=["features"], top=12, controls=2).to_frame()
    site = Site("resid_post", 1)
    moved = dictionary.encode(hooks.clean.values[site])[0] - dictionary.encode(hooks.corrupt.values[site])[0]
    for row in found.itertuples():
        index = int(row.node.split("/")[1])

        def write(value, _values, _offset, row=row, index=index):
            new = value.clone()
            new[0, row.position] += moved[row.position, index] * dictionary.directions[index]
            return new

        assert row.restored == pytest.approx(hooks.restored({site: write})[0], abs=1e-3)
    assert len(found) == 12 and found["restored"].abs().max() > 0.01


def test_several_pairs_are_averaged_and_bands_are_sums():
    scope = sw.Scope(make("llama"), tokenizer=tokenizer())
    other = [*CLEAN[:3], CLEAN[3] % 60 + 1, *CLEAN[4:]]
    pairs = [(CLEAN, CORRUPT), (CLEAN, other)]
    alone = [patch_map(scope, *pair, TARGET, kinds=["mlp"], controls=1).to_frame() for pair in pairs]
    both = patch_map(scope, *map(list, zip(*pairs, strict=True)), TARGET, kinds=["mlp"], controls=1)
    frame = both.to_frame()
    assert frame["restored"].to_numpy() == pytest.approx(sum(a["restored"] for a in alone).to_numpy() / 2, abs=1e-5)
    assert set(frame["prompts"]) == {2}
    bands = both.bands({"start": [0, 1, 2], "end": [3, 4, 5]})
    for row in bands.itertuples():
        places = [0, 1, 2] if row.region == "start" else [3, 4, 5]
        cells = frame[(frame["layer"] == row.layer) & frame["position"].isin(places)]
        assert row.restored == pytest.approx(cells["restored"].sum())
    assert len(bands) == 2 * LAYERS


def test_regions_say_which_tokens_are_whose():
    scope = sw.Scope(make("llama"), tokenizer=tokenizer(bos=True))
    text, where = regions(scope, {"one": "ab", "two": "cde"})
    assert text == "abcde" and where == {"one": (1, 2), "two": (3, 4, 5)}


def test_what_cannot_be_patched_is_refused():
    scope = sw.Scope(make("llama"), tokenizer=tokenizer())
    with pytest.raises(PromptError, match="one length"):
        patch_map(scope, CLEAN, CORRUPT[:-1], TARGET)
    with pytest.raises(PromptError, match="on both prompts"):
        patch_map(scope, CLEAN, CLEAN, TARGET)
    with pytest.raises(PromptError, match="pairs"):
        patch_map(scope, [CLEAN, CLEAN], [CORRUPT], TARGET)
    with pytest.raises(EditError, match="kind"):
        patch_map(scope, CLEAN, CORRUPT, TARGET, kinds=["neurons"])
    with pytest.raises(EditError, match="earlier"):
        path_patch(scope, CLEAN, CORRUPT, "mlp_out.1", "mlp_out.0", TARGET)
    with pytest.raises(SiteError, match="2 heads"):
        path_patch(scope, CLEAN, CORRUPT, "head.0.2", "logits", TARGET)
    with pytest.raises(EditError, match="draw"):
        patch_map(scope, CLEAN, CORRUPT, TARGET, controls=0)


def test_the_control_has_the_norm_of_what_it_stands_beside():
    from saewidgets.causes.controls import same_norm

    delta = torch.randn(5, 16, generator=torch.Generator().manual_seed(1))
    delta[2] = 0
    made = same_norm(delta, 6, 0)
    for one in made:
        torch.testing.assert_close(one.norm(dim=1), delta.norm(dim=1))
    flat = torch.stack([one[0] / one[0].norm() for one in made])
    assert (flat @ flat.T - torch.eye(6)).abs().max() < 0.9  # different directions
