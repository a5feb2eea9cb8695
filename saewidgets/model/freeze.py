"""Freezing a model on a prompt: weights read from its modules, patterns and scales from one pass, and the proof.

No module is trusted for its name. What a norm does is found by asking it, and every frozen part must give back what the
model itself computed at its site; where one does not, the freeze is refused and the site named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from saewidgets.errors import ModelError
from saewidgets.model.differentiated import DifferentiatedModel, differentiate
from saewidgets.model.frozen import FrozenBlock, FrozenModel
from saewidgets.model.frozen_parts import FrozenAttention, FrozenNorm
from saewidgets.model.trace import Trace, Write
from saewidgets.model.traced import TracedModel
from saewidgets.sites import Site

_STREAMS = ("resid_pre", "attn_z", "attn_out", "resid_mid", "mlp_in", "mlp_out", "resid_post")
_BEFORE_ATTENTION = ("input_layernorm", "ln_1")
_PROJECTIONS = ("v_proj", "c_attn", "query_key_value")
_BEFORE_MLP = ("pre_feedforward_layernorm", "post_attention_layernorm", "ln_2")


@dataclass(frozen=True, eq=False)
class Frozen:
    """A frozen model and the pass it was frozen on.

    Args:
        model: The affine map.
        values: Site -> `[tokens, d]` of the pass, float32.
        logits: `[tokens, vocab]`.
        residual: Largest difference between a frozen part and the model, relative to the largest value there.
        trace: The pass itself.
    """

    model: FrozenModel | DifferentiatedModel
    values: Mapping[Site, Tensor]
    logits: Tensor
    residual: float
    trace: Trace


def tolerance_of(dtype: torch.dtype) -> float:
    """Relative difference that rounding may make in a model of this type of numbers."""
    return 1e-3 if dtype in (torch.float32, torch.float64) else 5e-2


def freeze(
    model: TracedModel,
    ids: Sequence[int],
    writes: Mapping[Site, Write] | None = None,
    read: Iterable[Site] = (),
    gains: Mapping[int, Tensor] | None = None,
) -> Frozen:
    """Run the model on a prompt and hold its attention patterns and normalisation scales.

    Args:
        model: A model of a family in which attention has one value and one output projection a block.
        ids: Token ids.
        writes: Made in this run. What they add to the residual stream is held as it is.
        read: Further sites that the writes need.
        gains: Layer -> `[heads, tokens]` that writes multiply the output of each head by: this is no constant.

    Returns:
        The frozen model and the values of the pass. Where the weights are not stored as in any family that is known,
        it is differentiated automatically.

    Raises:
        ModelError: A frozen part does not give what the model computes, or the model cannot be frozen in any way.
    """
    if not writes and not _is_known(model):
        found = differentiate(model, ids, positions_of(model, len(ids)))
        seen = {site: value[0].float() for site, value in found.base.values.items()}
        assert found.base.logits is not None
        return Frozen(found, seen, found.base.logits[0].float(), 0.0, found.base)
    patterns = model.patterns()
    if len(patterns) != model.n_layers:
        raise ModelError(
            f"The attention patterns of {model.name} cannot be read.", "Use method='sae-gradient', which needs none."
        )
    sites = [site for site in model.sites() if site.stream in (*_STREAMS, "final")]
    trace = model.trace(list(ids), [*sites, *patterns, *read], writes)
    assert trace.logits is not None
    values = {site: value[0].float() for site, value in trace.values.items()}
    with model.lock, torch.no_grad():
        builder = _Builder(model, values, frozenset(writes or ()), gains or {})
        blocks = tuple(builder.block(layer) for layer in range(model.n_layers))
        last = values[Site("resid_post", model.n_layers - 1)]
        final = _norm(model.module_at("final"), last)
        builder.compare(Site("final"), final.push(last[:, None])[:, 0])
        start, position = values[Site("resid_pre", 0)], positions_of(model, len(ids))
    frozen = FrozenModel(blocks, final, start if position is None else start - position, position)
    return Frozen(frozen, values, trace.logits[0].float(), builder.residual, trace)


def _is_known(model: TracedModel) -> bool:
    """Whether every block has the norms and the value projection of a family."""
    streams = {site.stream for site in model.sites()}
    if not {"resid_pre", "attn_z", "attn_out", "resid_post"} <= streams:
        return False
    for layer in range(model.n_layers):
        block: Any = model.module_at(Site("resid_post", layer))
        attention = _parent(block, model.module_at(Site("attn_z", layer)))
        norms = all(any(hasattr(block, name) for name in names) for names in (_BEFORE_ATTENTION, _BEFORE_MLP))
        if not norms or not any(hasattr(attention, name) for name in _PROJECTIONS):
            return False
    return True


def _parent(block: Any, target: Any) -> Any:
    return next((m for m in block.modules() if any(child is target for child in m.children())), None)


class _Builder:
    """Builds block after block, comparing each part with the pass."""

    def __init__(
        self,
        model: TracedModel,
        values: Mapping[Site, Tensor],
        written: frozenset[Site],
        gains: Mapping[int, Tensor],
    ) -> None:
        self.model = model
        self.gains = gains
        self.values = values
        self.written = written
        self.residual = 0.0
        self._tolerance = tolerance_of(model.dtype)

    def block(self, layer: int) -> FrozenBlock:
        """One frozen block, compared at its attention and at the input of its MLP."""
        at = {stream: self.values[Site(stream, layer)] for stream in _STREAMS if Site(stream, layer) in self.values}
        attention = self._attention(layer, at["resid_pre"], at["attn_z"])
        parallel = "resid_mid" not in at
        behind = at["attn_out"] if parallel else at["resid_mid"] - at["resid_pre"]
        found = attention.push(at["resid_pre"][:, None])[:, 0]
        edited = self._edited(("attn_z", "attn_out", "resid_mid"), layer)
        if not edited:
            self.compare(Site("attn_out", layer), found)
        read = at["resid_pre"] if parallel else at["resid_mid"]
        norm = _norm(self._part(layer, _BEFORE_MLP), read)
        self.compare(Site("mlp_in", layer), norm.push(read[:, None])[:, 0])
        # What comes next reads the stream as edits left it.
        after = (
            Site("resid_pre", layer + 1) if Site("resid_pre", layer + 1) in self.values else Site("resid_post", layer)
        )
        ends = self._edited(("resid_post",), layer) or after in self.written
        total = at["resid_pre"] + behind + at["mlp_out"]
        if not ends:
            self.compare(Site("resid_post", layer), total)
        return FrozenBlock(
            attention,
            norm,
            parallel,
            beside=behind - found if edited else None,
            behind=self.values[after] - total if ends else None,
        )

    def _edited(self, streams: Sequence[str], layer: int) -> bool:
        return any(Site(stream, layer) in self.written for stream in streams)

    def compare(self, site: Site, found: Tensor) -> None:
        """Refuse a part that does not give what the pass has at its site."""
        true = self.values[site]
        difference = float((found - true).abs().max() / true.abs().max().clamp_min(1e-12))
        if not difference <= self._tolerance:
            raise ModelError(
                f"Frozen attention and norms do not give what the model computes at {site}: off by {difference:.2g} of "
                "the largest value there.",
                "This architecture does more than its family says; method='sae-gradient' does not freeze anything.",
            )
        self.residual = max(self.residual, difference)

    def _attention(self, layer: int, x: Tensor, z: Tensor) -> FrozenAttention:
        project: Any = self.model.module_at(Site("attn_z", layer))
        module: Any = self._parent(Site("attn_z", layer))
        pattern = self.values[Site("attn_pattern", layer)]
        heads = len(pattern)
        if layer in self.gains:
            pattern = pattern * self.gains[layer].to(pattern)[..., None]
        weight = _matrix(project)
        output = weight.view(heads, -1, weight.shape[1])
        values, value_bias = _values(module, heads, output.shape[1])
        bias = None if project.bias is None else project.bias.detach().float()
        after = None
        if hasattr(self._block(layer), "pre_feedforward_layernorm"):
            returned = z @ weight if bias is None else z @ weight + bias
            after = _norm(self._part(layer, ("post_attention_layernorm",)), returned)
        norm = _norm(self._part(layer, _BEFORE_ATTENTION), x)
        return FrozenAttention(norm, pattern, values, value_bias, output, bias, after)

    def _block(self, layer: int) -> Any:
        return self.model.module_at(Site("resid_post", layer))

    def _parent(self, site: Site) -> Any:
        return _parent(self._block(site.layer or 0), self.model.module_at(site))

    def _part(self, layer: int, names: Sequence[str]) -> Any:
        block = self._block(layer)
        for name in names:
            if hasattr(block, name):
                return getattr(block, name)
        raise ModelError(
            f"Block {layer} of {self.model.name} has none of {', '.join(names)}.",
            "Use method='sae-gradient', which needs no norms.",
        )


def _matrix(layer: Any) -> Tensor:
    """`[d_in, d_out]` of a Linear or of GPT-2's Conv1D."""
    weight: Tensor = layer.weight.detach().float()
    return weight.T if isinstance(layer, torch.nn.Linear) else weight


def _values(module: Any, heads: int, width: int) -> tuple[Tensor, Tensor | None]:
    """`[heads, d, width]` value projections and their biases, whichever way a family stores them."""
    bias: Tensor | None
    if hasattr(module, "v_proj"):
        weight, bias = _matrix(module.v_proj), module.v_proj.bias
    elif hasattr(module, "c_attn"):  # query, key and value side by side
        weight, bias = _matrix(module.c_attn).chunk(3, 1)[2], module.c_attn.bias.chunk(3)[2]
    elif hasattr(module, "query_key_value"):  # the three of each head side by side
        joined, bias = module.query_key_value, module.query_key_value.bias
        weight = _matrix(joined).unflatten(1, (heads, 3, width))[:, :, 2].flatten(1)
        bias = None if bias is None else bias.unflatten(0, (heads, 3, width))[:, 2].flatten()
    else:
        raise ModelError(
            f"{type(module).__name__} has no value projection that is known.", "Use method='sae-gradient'."
        )
    shared = heads // (weight.shape[1] // width)  # heads that share one key-value head
    values = weight.unflatten(1, (-1, width)).permute(1, 0, 2).repeat_interleave(shared, 0).contiguous()
    if bias is None:
        return values, None
    return values, bias.detach().float().view(-1, width).repeat_interleave(shared, 0)


def _norm(module: Any, x: Tensor) -> FrozenNorm:
    """What a norm does to `[tokens, d]`: found by asking it, its scale by least squares."""
    dtype = next((p.dtype for p in module.parameters()), x.dtype)
    y = module(x.to(dtype)).float()
    centred = isinstance(module, torch.nn.LayerNorm)
    bias = module.bias.detach().float() if centred and module.bias is not None else None
    if centred:
        gain = torch.ones_like(x[0]) if module.weight is None else module.weight.detach().float()
    else:
        gain = module(torch.ones_like(x[:1], dtype=dtype)).float()[0]
    through = (x - x.mean(-1, keepdim=True) if centred else x) * gain
    y = y if bias is None else y - bias
    scale = (through * y).sum(-1, keepdim=True) / through.pow(2).sum(-1, keepdim=True).clamp_min(1e-30)
    return FrozenNorm(gain, scale[:, None], bias, centred)


def positions_of(model: TracedModel, tokens: int) -> Tensor | None:
    """`[tokens, d]` learned position embeddings, of models that have them."""
    module: Any = model.module
    base = getattr(module, getattr(module, "base_model_prefix", ""), module)
    table: Any = getattr(base, "wpe", None)
    return None if table is None else table.weight[:tokens].detach().float()
