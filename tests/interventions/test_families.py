"""Every edit on every family of models, against plain PyTorch hooks on a model that was never wrapped."""

import pytest
import torch

import saewidgets as sw
from saewidgets.errors import EditError
from saewidgets.sites import Site
from tests.interventions import plain
from tests.model import oracle, tiny

IDS, OTHER = tiny.prompt(), tiny.prompt(1)
AT = [2, 5, 9]
CLOSE = {"atol": 2e-5, "rtol": 2e-4}
POST = Site("resid_post", 1)


def run(world, edits, propagation="free"):
    return world.scope.run_ids(IDS, edits=edits, propagation=propagation).logits


def hooked(world, writes):
    return oracle.run(world.plain, IDS, [], writes).logits[0]


def seen(world, site, ids=IDS):
    return oracle.run(world.plain, ids, [site]).values[site]


def rows(positions):
    return slice(None) if positions is None else positions


def strongest(dictionary, x):
    return int(dictionary.encode(x)[0, AT].sum(0).argmax())


EDITS = {
    "ablate": lambda t, at: sw.ablate(t, at),
    "scale": lambda t, at: sw.scale(t, 2.5, at),
    "clamp": lambda t, at: sw.clamp(t, 3.0, at),
    "clamp when active": lambda t, at: sw.clamp(t, 3.0, at, when_active=True),
    "steer": lambda t, at: sw.steer(t, 3.0, at),
    "patch": lambda t, at: sw.patch(t, OTHER, at),
    "mean": lambda t, at: sw.ablate(t, at, mean_over=[OTHER, IDS]),
}
VALUES = {"scale": 2.5, "clamp": 3.0, "clamp when active": 3.0, "steer": 3.0}


def more(kind, mine, other, positions):
    mean = torch.cat([other[0, 1:], mine[0, 1:]]).mean(0)
    return {"other": other[:, rows(positions)], "mean": mean}


@pytest.mark.parametrize("positions", [None, AT], ids=["all", "chosen"])
@pytest.mark.parametrize("kind", EDITS)
def test_features(world, kind, positions):
    dictionary = world.scope.dictionaries["resid_post.1"]
    x, y = seen(world, POST), seen(world, POST, OTHER)
    index = strongest(dictionary, x)

    def write(value, *_):
        f = dictionary.encode(value)[..., index]
        new = f.clone()
        extra = more(kind, f, dictionary.encode(y)[..., index], positions)
        new[:, rows(positions)] = plain.change(kind, VALUES.get(kind, 0), f[:, rows(positions)], **_scalar(extra))
        return value + (new - f)[..., None] * dictionary.W_dec[index]

    edited = run(world, [EDITS[kind](f"resid_post.1/{index}", positions)])
    torch.testing.assert_close(edited, hooked(world, {POST: write}), **CLOSE)
    assert (edited - hooked(world, {})).abs().max() > 1e-3


def _scalar(extra):
    return extra | {"mean": float(extra["mean"])}


@pytest.mark.parametrize("kind", EDITS)
def test_directions(world, kind):
    d = torch.randn(16, generator=torch.Generator().manual_seed(3))
    y = seen(world, POST, OTHER)

    def write(value, *_):
        c, other = value @ d / (d @ d), y @ d / (d @ d)
        new = c.clone()
        extra = _scalar(more(kind, c, other, AT))
        new[:, AT] = plain.change(kind, VALUES.get(kind, 0), c[:, AT], **extra)
        return value + (new - c)[..., None] * d

    edited = run(world, [EDITS[kind](sw.Direction("resid_post.1", d), AT)])
    torch.testing.assert_close(edited, hooked(world, {POST: write}), **CLOSE)


def test_steering_relative_to_the_norm(world):
    d = torch.randn(16, generator=torch.Generator().manual_seed(3))
    edited = run(world, [sw.steer(sw.Direction("resid_post.1", d), 0.5, relative=True)])
    expected = hooked(world, {POST: lambda x, *_: x + 0.5 * x.norm(dim=-1, keepdim=True) * d / d.norm()})
    torch.testing.assert_close(edited, expected, **CLOSE)


@pytest.mark.parametrize("stream", ["embed", "resid_pre", "attn_z", "attn_out", "mlp_in", "mlp_out", "resid_post"])
@pytest.mark.parametrize("kind", ["ablate", "scale", "patch", "mean"])
def test_sites(world, stream, kind):
    site = Site(stream, None if stream == "embed" else 1)
    y = seen(world, site, OTHER)

    def write(value, *_):
        extra = more(kind, value, y, AT)
        new = value.clone()
        one = {"ablate": 0 * value[:, AT], "scale": 2.5 * value[:, AT], "patch": extra["other"], "mean": extra["mean"]}
        new[:, AT] = one[kind]
        return new

    edited = run(world, [EDITS[kind](str(site), AT)])
    torch.testing.assert_close(edited, hooked(world, {site: write}), **CLOSE)


@pytest.mark.parametrize("kind", ["ablate", "scale", "patch", "mean"])
def test_heads(world, kind):
    site, head = Site("attn_z", 1), 1
    y = seen(world, site, OTHER)
    half = slice(y.shape[-1] // 2, None)

    def write(value, *_):
        extra = more(kind, value, y, None)
        one = {"ablate": 0 * value, "scale": 2.5 * value, "patch": extra["other"], "mean": 0 * value + extra["mean"]}
        return torch.cat([value[..., : half.start], one[kind][..., half]], -1)

    edited = run(world, [EDITS[kind](f"head.1.{head}", None)])
    torch.testing.assert_close(edited, hooked(world, {site: write}), **CLOSE)


@pytest.mark.parametrize("kind", ["ablate", "scale", "patch"])
@pytest.mark.parametrize("keys", [None, [0, 3]])
def test_patterns(world, kind, keys):
    base, other = plain.base_patterns(world.eager, IDS)[1], plain.base_patterns(world.eager, OTHER)[1]
    new = base.clone()
    one = {"ablate": 0 * base, "scale": 2.5 * base, "patch": other}[kind]
    for query in AT:
        for key in range(len(IDS)) if keys is None else keys:
            new[:, 1, query, key] = one[:, 1, query, key]
    with plain.patterns_put(world.eager, {1: new}), torch.no_grad():
        expected = world.eager(torch.tensor([IDS])).logits[0]
    edited = run(world, [EDITS[kind](sw.Pattern(1, 1, keys), AT)])
    torch.testing.assert_close(edited, expected, **CLOSE)
    assert (edited - hooked(world, {})).abs().max() > 1e-3


def test_all_heads_of_a_pattern(world):
    new = plain.base_patterns(world.eager, IDS)[2] * 0.5
    with plain.patterns_put(world.eager, {2: new}), torch.no_grad():
        expected = world.eager(torch.tensor([IDS])).logits[0]
    torch.testing.assert_close(run(world, [sw.scale("pattern.2", 0.5)]), expected, **CLOSE)


def steered(world):
    """An edit in each of two layers, and what each does to a value."""
    dictionary = world.scope.dictionaries["resid_post.0"]
    d = torch.randn(16, generator=torch.Generator().manual_seed(3))
    index = strongest(dictionary, seen(world, Site("resid_post", 0)))

    def first(x, *_):
        return x + 1.5 * dictionary.encode(x)[..., index : index + 1] * dictionary.W_dec[index]

    def second(x, *_):
        return x - (x @ d / (d @ d))[..., None] * d

    edits = [sw.scale(f"resid_post.0/{index}", 2.5), sw.ablate(sw.Direction("resid_post.1", d))]
    return edits, {Site("resid_post", 0): first, POST: second}


def test_frozen_attention(world):
    edits, writes = steered(world)
    with plain.patterns_put(world.eager, plain.base_patterns(world.eager, IDS)):
        expected = oracle.run(world.eager, IDS, [], writes).logits[0]
    edited = run(world, edits, "frozen_attention")
    torch.testing.assert_close(edited, expected, **CLOSE)
    assert (edited - run(world, edits)).abs().max() > 1e-3


def direct(world, edits):
    """The direct effect by hand: changes that the run without edits would show, on what is held."""
    base = oracle.run(world.eager, IDS, world.scope.model.sites())
    writes = {site: lambda _x, *_, site=site: base.values[site] for site in base.values if site.stream == "mlp_out"}
    for site, write in edits.items():
        delta = write(base.values[site]) - base.values[site]
        held = site.stream == "mlp_out"
        writes[site] = lambda x, *_, d=delta, s=site, h=held: (base.values[s] if h else x) + d
    with plain.patterns_put(world.eager, plain.base_patterns(world.eager, IDS)), plain.norms_held(world.eager, IDS):
        return oracle.run(world.eager, IDS, [], writes).logits[0]


def test_direct(world):
    edits, writes = steered(world)
    transcoder = world.scope.dictionaries["mlp_in.2"]
    x = seen(world, Site("mlp_in", 2))
    index = strongest(transcoder, x)
    edits.append(sw.ablate(f"mlp_in.2/{index}"))
    writes[Site("mlp_out", 2)] = lambda y, *_: (
        y - transcoder.encode(x)[..., index : index + 1] * transcoder.W_dec[index]
    )
    edited = run(world, edits, "direct")
    torch.testing.assert_close(edited, direct(world, writes), **CLOSE)
    assert (edited - run(world, edits)).abs().max() > 1e-3


def uncapped(world, logits):
    """Before the soft cap that Gemma 2 puts on its logits, which bends what is linear."""
    cap = getattr(world.plain.config, "final_logit_softcapping", None)
    return logits.double() if cap is None else cap * torch.atanh(logits.double() / cap)


def test_direct_effects_are_linear_and_add_up(world):
    base = uncapped(world, run(world, []))
    one, two = sw.Direction("resid_post.0", torch.arange(16.0) + 1), sw.Direction("attn_out.1", torch.ones(16))
    effect = {
        name: uncapped(world, run(world, edits, "direct")) - base
        for name, edits in {
            "one": [sw.steer(one, 0.1)],
            "thrice": [sw.steer(one, 0.3)],
            "two": [sw.ablate(two)],
            "both": [sw.steer(one, 0.1), sw.ablate(two)],
        }.items()
    }
    torch.testing.assert_close(effect["thrice"], 3 * effect["one"], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(effect["both"], effect["one"] + effect["two"], atol=1e-4, rtol=1e-3)


def test_no_edits_change_nothing(world):
    assert torch.equal(run(world, []), hooked(world, {}))
    for propagation in ("frozen_attention", "direct"):
        torch.testing.assert_close(run(world, [], propagation), hooked(world, {}), atol=1e-5, rtol=1e-5)


def test_an_edit_and_its_inverse_cancel_within_rounding(world):
    from saewidgets.interventions import inverse

    direction = sw.Direction("resid_post.0", torch.arange(16.0))
    index = strongest(world.scope.dictionaries["resid_post.1"], seen(world, POST))
    edits = [
        sw.steer("resid_post.1/3", 4.0),
        sw.scale(f"resid_post.1/{index}", 2.0),
        sw.steer(["resid_post.0/1", "resid_post.0/2"], 0.5, relative=True),
        sw.steer(direction, 2.0),
        sw.scale("head.1.0", 3.0),
        sw.scale("pattern.2.1", 2.0),
    ]
    for edit in edits:
        torch.testing.assert_close(run(world, [edit, *inverse(edit)]), hooked(world, {}), atol=3e-5, rtol=1e-4)
        assert (run(world, [edit]) - hooked(world, {})).abs().max() > 1e-3
    torch.testing.assert_close(run(world, [*edits, *inverse(edits)]), hooked(world, {}), atol=3e-5, rtol=1e-4)


class Broken(Exception):
    pass


@pytest.mark.parametrize("site", [Site("attn_pattern", 1), Site("resid_post", 1), Site("mlp_out", 0)])
@pytest.mark.parametrize("scales", [False, True])
def test_an_exception_in_the_middle_leaves_the_model_as_it_was(world, site, scales):
    model, module = world.scope.model, world.scope.model.module
    before = {name: value.clone() for name, value in module.state_dict().items()}
    hooks = sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())
    names = [part.config._attn_implementation for part in module.modules() if hasattr(part, "config")]

    def fail(*_):
        raise Broken

    with pytest.raises(Broken):
        model.trace(IDS, model.patterns(), {site: fail}, scales=scales)
    assert names == [part.config._attn_implementation for part in module.modules() if hasattr(part, "config")]
    assert hooks == sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(model.trace(IDS).logits[0], hooked(world, {}))


def test_what_does_not_fit_is_said(llama):
    for edits, says in [
        ([sw.ablate("head.1.2")], "2 heads"),
        ([sw.steer(sw.Direction("resid_post.1", [1.0, 2.0]), 1)], "2 numbers"),
        ([sw.patch("resid_post.1", IDS[:5])], "5 tokens into 14"),
        ([sw.patch("resid_post.1", IDS[:5], positions=[7])], "Position 7 of a run of 5"),
        ([sw.ablate("resid_post.1", positions="generated")], "generates nothing"),
        ([sw.ablate("mlp_in.2/3", latents="re-encode")], "never reads what it writes"),
    ]:
        with pytest.raises(EditError, match=says):
            run(llama, edits)
    with pytest.raises(EditError, match="Propagation"):
        run(llama, [], "sideways")
