"""From a direction to the vocabulary: the final norm's gain folded in, then the unembedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from saewidgets.dictionaries import Dictionary
from saewidgets.errors import FeatureError, ModelError

if TYPE_CHECKING:
    from saewidgets.scope import Scope

# Weights of another type are converted this many numbers at a time.
_BLOCK = 1 << 25
_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Norm:
    """What a norm does besides dividing by the size of its input: centre it or not, and scale each channel.

    Its bias is left out: it is the same for every direction, and says nothing about any.

    Args:
        gain: `[d]`.
        centred: Whether the mean is taken out first (LayerNorm; not RMSNorm).
    """

    gain: Tensor
    centred: bool

    def __call__(self, rows: Tensor) -> Tensor:
        """`[n, d]` directions -> what the norm makes of them, whatever their length; 0 stays 0."""
        return _standard(rows, self.centred) * self.gain


@dataclass(frozen=True, eq=False)
class Head:
    """What a direction in the residual stream says about the next token.

    Args:
        before: Steps that bring a written direction to the residual stream (a matrix), and norms, the final one last.
        unembed: `[vocab, d]`: a row for each token of the tokenizer.
    """

    before: tuple[Tensor | Norm, ...]
    unembed: Tensor

    @torch.no_grad()
    def logits(self, directions: Tensor) -> Tensor:
        """`[n, d]` -> `[n, vocab]`: `LN(direction) @ W_U`, float32."""
        rows = directions.detach().float().to(self.unembed.device)
        for step in self.before:
            rows = step(rows) if isinstance(step, Norm) else rows @ step
        block = max(1, _BLOCK // self.unembed.shape[1])
        return torch.cat([rows @ part.float().T for part in self.unembed.split(block)], 1)


def head_of(scope: Scope, dictionary: Dictionary) -> Head:
    """The head behind what a dictionary writes.

    Raises:
        FeatureError: It does not write to the residual stream.
        ModelError: The model's weights or its unembedding cannot be read, or its norm is of an unknown kind.
    """
    model, site = scope.model, dictionary.site_out
    layer = getattr(model.module, "get_output_embeddings", lambda: None)()
    weight = getattr(layer, "weight", None)
    if weight is None or weight.is_meta:
        raise ModelError("The unembedding of this model cannot be read.", "Load the model itself, with its lm_head.")
    unembed = weight.detach()[: None if model.tokenizer is None else len(model.tokenizer)]
    if site.stream == "final":
        return Head((), unembed)
    if site.stream == "mlp_in":
        raise FeatureError(
            f"What is written at {site} reaches the vocabulary through the MLP alone.", "Use token_change instead."
        )
    before: list[Tensor | Norm] = []
    with scope.lock, torch.no_grad():
        if site.stream == "attn_z":
            project, added = model.module_at(site), model.module_at(f"attn_out.{site.layer}")
            unit = torch.eye(dictionary.d_out, device=unembed.device)
            before.append(_call(project, unit) - _call(project, torch.zeros_like(unit[:1])))
            if all(part is not project for part in added.modules()):  # a norm stands between (Gemma 2)
                before.append(read_norm(added, model.d_model or unembed.shape[1]))
        before.append(read_norm(model.module_at("final"), unembed.shape[1]))
    return Head(tuple(before), unembed)


@torch.no_grad()
def read_norm(module: nn.Module, width: int) -> Norm:
    """Find out what a norm does by asking it, so that no table of classes is needed; and check the answer.

    Raises:
        ModelError: It is neither a LayerNorm nor an RMSNorm.
    """
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    # Large, so that the norm's epsilon does not show.
    asked, checked = 1e4 * (
        torch.where(torch.rand(2, width, generator=generator) < 0.5, -1.0, 1.0).double()
        * (0.5 + torch.rand(2, width, generator=generator).double())
    ).to(device)  # fmt: skip
    zero = _call(module, torch.zeros_like(asked)[None])[0]
    flat = _call(module, torch.full_like(asked, 1e4)[None])[0]
    centred = bool(((flat - zero).abs() < _TOLERANCE * (1 + zero.abs())).all())
    gain = (_call(module, asked[None])[0] - zero) / _standard(asked[None], centred)[0]
    expected = _standard(checked[None], centred)[0] * gain + zero
    worst = (_call(module, checked[None])[0] - expected).abs().max()
    if not bool(worst <= _TOLERANCE * (1 + expected.abs().max())):
        raise ModelError(f"{type(module).__name__} is no LayerNorm and no RMSNorm.", "Use token_change instead.")
    return Norm(gain.float(), centred)


def _standard(rows: Tensor, centred: bool) -> Tensor:
    rows = rows - rows.mean(1, keepdim=True) if centred else rows
    size = rows.pow(2).mean(1, keepdim=True).sqrt()
    return torch.where(size > 0, rows / size.clamp_min(torch.finfo(rows.dtype).tiny), 0.0)


def _call(module: nn.Module, x: Tensor) -> Tensor:
    """A module in the precision of `x`, its own weights as they are. The caller holds the model's lock."""
    weights = {name: value.to(x.dtype) for name, value in module.state_dict().items() if value.is_floating_point()}
    result: Tensor = torch.func.functional_call(module, weights, (x,))
    return result
