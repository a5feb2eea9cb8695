"""The plain-hook twin: reads and writes by torch hooks alone, from paths written down a second time.

Nothing here uses nnsight or the tables of the package; equality with it is what the tests mean by "right".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from saewidgets.model import Write
from saewidgets.sites import Site


def blocks(module: Any) -> Any:
    if hasattr(module, "transformer"):
        return module.transformer.h
    return module.gpt_neox.layers if hasattr(module, "gpt_neox") else module.model.layers


def place(module: Any, site: Site) -> tuple[Any, str]:
    """Module and side of a site."""
    kind = module.config.model_type
    if site.layer is None:
        if kind == "gpt2":
            return (module.transformer.wte if site.stream == "embed" else module.transformer.ln_f), "out"
        if kind == "gpt_neox":
            found = module.gpt_neox.embed_in if site.stream == "embed" else module.gpt_neox.final_layer_norm
            return found, "out"
        return (module.model.embed_tokens if site.stream == "embed" else module.model.norm), "out"
    block = blocks(module)[site.layer]
    if kind == "gpt2":
        attention, projection, norm = block.attn, block.attn.c_proj, block.ln_2
    elif kind == "gpt_neox":
        attention, projection, norm = block.attention, block.attention.dense, block.post_attention_layernorm
    else:
        attention, projection, norm = block.self_attn, block.self_attn.o_proj, block.post_attention_layernorm
    attention_out, mlp_out = attention, block.mlp
    if kind in ("gemma2", "gemma3_text"):
        attention_out, mlp_out = block.post_attention_layernorm, block.post_feedforward_layernorm
        norm = block.pre_feedforward_layernorm
    return {
        "resid_pre": (block, "in"),
        "attn_z": (projection, "in"),
        "attn_out": (attention_out, "out"),
        "resid_mid": (norm, "in"),
        "mlp_in": (block.mlp, "in"),
        "mlp_out": (mlp_out, "out"),
        "resid_post": (block, "out"),
    }[site.stream]


@dataclass
class Result:
    values: dict[Site, Tensor] = field(default_factory=dict)
    before: dict[Site, Tensor] = field(default_factory=dict)
    logits: Any = None


def run(
    module: Any, ids: list[int], read: list[Site], writes: Mapping[Site, Write] | None = None, grad=False
) -> Result:
    """One forward of a never-wrapped module under hooks."""
    writes, result, handles, moved = writes or {}, Result(), [], {}
    visited = sorted({*read, *writes}, key=lambda site: site.order)
    for layer in {site.layer for site in writes if site.stream == "resid_mid"}:
        # The block adds the MLP to the value its norm was given before our hook: the change is added to its output.
        handles.append(blocks(module)[layer].register_forward_hook(lambda _m, _i, out, at=layer: out + moved[at]))

    def visit(site: Site, value: Tensor) -> Tensor:
        new = writes[site](value, result.values, 0) if site in writes else value
        if site.stream == "resid_mid":
            moved[site.layer] = new - value
        result.before[site], result.values[site] = value, new
        return new

    def pre(site: Site):
        def hook(_module: Any, args: tuple, kwargs: dict) -> Any:
            if args:
                return (visit(site, args[0]), *args[1:]), kwargs
            return args, kwargs | {"hidden_states": visit(site, kwargs["hidden_states"])}

        return hook

    def post(site: Site):
        def hook(_module: Any, _args: Any, output: Any) -> Any:
            if isinstance(output, tuple):
                return (visit(site, output[0]), *output[1:])
            return visit(site, output)

        return hook

    for site in visited:
        owner, side = place(module, site)
        if side == "in":
            handles.append(owner.register_forward_pre_hook(pre(site), with_kwargs=True))
        else:
            handles.append(owner.register_forward_hook(post(site)))
    try:
        with torch.set_grad_enabled(grad):
            result.logits = module(input_ids=torch.tensor([ids])).logits
    finally:
        for handle in handles:
            handle.remove()
    return result
