"""Edits and propagation by plain hooks and formulas written down a second time; nothing here is the package's own."""

from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from tests.model import oracle


def attention(module: Any, layer: int) -> Any:
    block = oracle.blocks(module)[layer]
    return getattr(block, "attn", None) or getattr(block, "self_attn", None) or block.attention


def values_of(module: Any, layer: int, raw: Tensor) -> Tensor:
    """`[batch, heads, tokens, d_head]` from what the module's value projection returned."""
    heads = module.config.num_attention_heads
    batch, tokens, width = raw.shape
    kind = module.config.model_type
    if kind == "gpt2":
        return raw[..., 2 * width // 3 :].view(batch, tokens, heads, -1).transpose(1, 2)
    if kind == "gpt_neox":
        return raw.view(batch, tokens, heads, -1).chunk(3, -1)[2].transpose(1, 2)
    shared = module.config.num_key_value_heads
    return raw.view(batch, tokens, shared, -1).transpose(1, 2).repeat_interleave(heads // shared, 1)


def value_projection(module: Any, layer: int) -> Any:
    part = attention(module, layer)
    return {"gpt2": "c_attn", "gpt_neox": "query_key_value"}.get(module.config.model_type, "v_proj"), part


@contextmanager
def patterns_put(module: Any, patterns: dict[int, Tensor]):
    """During a forward, heads read out with these patterns: z is computed by hand from the value projection."""
    with ExitStack() as stack:
        for layer, pattern in patterns.items():
            name, part = value_projection(module, layer)
            output = {"gpt2": "c_proj", "gpt_neox": "dense"}.get(module.config.model_type, "o_proj")
            seen: dict[str, Tensor] = {}

            def keep(_m, _a, raw, seen=seen):
                seen["v"] = raw

            def put(_m, args, seen=seen, layer=layer, pattern=pattern):
                z = pattern @ values_of(module, layer, seen["v"])
                return (z.transpose(1, 2).reshape(args[0].shape), *args[1:])

            stack.callback(getattr(part, name).register_forward_hook(keep).remove)
            stack.callback(getattr(part, output).register_forward_pre_hook(put).remove)
        yield


def base_patterns(module: Any, ids: list[int]) -> dict[int, Tensor]:
    """Patterns of a model that was set to eager attention."""
    with torch.no_grad():
        found = module(torch.tensor([ids]), output_attentions=True).attentions
    return dict(enumerate(found))


def norms(module: Any) -> dict[str, Any]:
    found = {}
    for name, part in module.named_modules():
        kind = type(part).__name__
        if ("Norm" in kind) and not name.endswith(("q_norm", "k_norm")):
            found[name] = part
    return found


@contextmanager
def norms_held(module: Any, ids: list[int]):
    """During a forward, every normalisation is linear, with the size it divided by in a plain run."""
    sizes: dict[str, Tensor] = {}
    handles = []
    for name, part in norms(module).items():

        def keep(m, args, _out, name=name):
            x = args[0].float()
            centred = x - x.mean(-1, keepdim=True) if isinstance(m, torch.nn.LayerNorm) else x
            eps = m.variance_epsilon if hasattr(m, "variance_epsilon") else m.eps
            sizes[name] = (centred.pow(2).mean(-1, keepdim=True) + eps).sqrt()

        handles.append(part.register_forward_hook(keep))
    with torch.no_grad():
        module(torch.tensor([ids]))
    for handle in handles:
        handle.remove()
    handles = []
    for name, part in norms(module).items():

        def put(m, args, _out, name=name):
            x = args[0].float()
            if isinstance(m, torch.nn.LayerNorm):
                return (x - x.mean(-1, keepdim=True)) / sizes[name] * m.weight + m.bias
            gain = 1 + m.weight if "Gemma" in type(m).__name__ else m.weight
            return x / sizes[name] * gain

        handles.append(part.register_forward_hook(put))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def change(kind: str, value: float, f: Tensor, **more: Any) -> Tensor:
    """f' from f, as the formulas have it."""
    table: dict[str, Callable[[], Tensor]] = {
        "ablate": lambda: torch.zeros_like(f),
        "mean": lambda: torch.full_like(f, more.get("mean", 0.0)),
        "scale": lambda: f * value,
        "clamp": lambda: torch.full_like(f, value),
        "clamp when active": lambda: torch.where(f > 0, torch.full_like(f, value), f),
        "steer": lambda: f + value,
        "patch": lambda: more["other"],
    }
    return table[kind]()
