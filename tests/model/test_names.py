"""Own names, TransformerLens names and Hugging Face paths mean the same places."""

import pytest

from saewidgets.errors import SiteError
from saewidgets.sites import Site
from tests.model.conftest import pair_of

LENS = {
    "blocks.1.hook_resid_pre": "resid_pre.1",
    "blocks.2.hook_resid_mid": "resid_mid.2",
    "blocks.0.hook_resid_post": "resid_post.0",
    "blocks.1.hook_attn_out": "attn_out.1",
    "blocks.1.hook_mlp_out": "mlp_out.1",
    "blocks.1.attn.hook_z": "attn_z.1",
    "blocks.1.mlp.hook_in": "mlp_in.1",
    "blocks.1.ln2.hook_normalized": "mlp_in.1",
    "hook_embed": "embed",
    "ln_final.hook_normalized": "final",
}
PATHS = {
    "gpt2": {
        "transformer.wte": "embed",
        "transformer.h.1": "resid_post.1",
        "transformer.h.1.output": "resid_post.1",
        "transformer.h.1.input": "resid_pre.1",
        "transformer.h.2.attn": "attn_out.2",
        "transformer.h.2.mlp": "mlp_out.2",
        "transformer.h.2.mlp.input": "mlp_in.2",
        "transformer.h.2.attn.c_proj.input": "attn_z.2",
        "transformer.h.2.ln_2.input": "resid_mid.2",
        "transformer.ln_f": "final",
    },
    "llama": {
        "model.embed_tokens": "embed",
        "model.layers.1": "resid_post.1",
        "model.layers.1.input": "resid_pre.1",
        "model.layers.0.self_attn": "attn_out.0",
        "model.layers.0.mlp.output": "mlp_out.0",
        "model.layers.0.self_attn.o_proj.input": "attn_z.0",
        "model.norm": "final",
    },
    "gemma2": {
        "model.layers.1.post_attention_layernorm": "attn_out.1",
        "model.layers.1.post_feedforward_layernorm": "mlp_out.1",
        "model.layers.1.pre_feedforward_layernorm.input": "resid_mid.1",
    },
    "gpt_neox": {
        "gpt_neox.layers.2.attention": "attn_out.2",
        "gpt_neox.layers.2.attention.dense.input": "attn_z.2",
        "gpt_neox.layers.2": "resid_post.2",
    },
}


@pytest.mark.parametrize(("family", "path"), [(family, path) for family, paths in PATHS.items() for path in paths])
def test_hugging_face_paths(family, path):
    assert str(pair_of(family).traced.site(path)) == PATHS[family][path]


def test_every_path_of_every_family_comes_back(pair):
    for site, point in pair.traced._points.items():
        assert pair.traced.site(f"{point.path}.{'input' if point.reads_input else 'output'}") == site
        assert pair.traced.site(str(site)) == pair.traced.site(site) == site


@pytest.mark.parametrize("name", LENS)
def test_transformer_lens_names(llama, name):
    assert str(llama.traced.site(name)) == LENS[name]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "resid_post",
        "resid_post.3",
        "resid_post.-1",
        "embed.0",
        "blocks.1.hook_nothing",
        "blocks.1.hook_mlp_in",  # two places in two versions of TransformerLens
        "model.layers.9",
        "model.layers.1.mlp.gate_proj",
        "transformer.h.0",
        "../../etc/passwd",
        "__class__",
        "resid_post.1\n",
        "x" * 5000,
        None,
        5,
    ],
)
def test_other_names_are_refused_with_the_list(llama, name):
    with pytest.raises(SiteError, match=r"It has embed, resid_pre\.0-2, .*final\.") as caught:
        llama.traced.site(name)
    assert len(str(caught.value)) < 400


def test_gemma_2_attention_itself_is_no_site():
    """What attention returns is normalised before it is added: its path must not pass for attn_out."""
    with pytest.raises(SiteError, match="Cannot read the site"):
        pair_of("gemma2").traced.site("model.layers.1.self_attn")


def test_sites_come_in_execution_order(pair):
    sites = pair.traced.sites()
    assert list(sites) == sorted(sites, key=lambda site: site.order)
    assert (sites[0], sites[-1]) == (Site("embed"), Site("final"))
