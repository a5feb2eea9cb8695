"""Activations of the embedded model at its sites, and runs in which a site is replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from saewidgets.dictionaries import Dictionary

Change = Callable[[Tensor], Tensor]


def module_of(model: LlamaForCausalLM, site: str) -> nn.Module:
    """The module whose output is the site."""
    stream, layer = site.split(".")
    block = model.model.layers[int(layer)]
    return {
        "resid_post": block,
        "attn_out": block.self_attn,
        "mlp_in": block.post_attention_layernorm,
        "mlp_out": block.mlp,
    }[stream]


@contextmanager
def hooked(model: LlamaForCausalLM, changes: dict[str, Change]) -> Iterator[None]:
    """Within the block, the output of every named site goes through its function (an identity that stores reads)."""

    def hook(change: Change) -> Callable[..., object]:
        def run(_module: nn.Module, _inputs: object, output: Tensor | tuple[Tensor, ...]) -> object:
            if isinstance(output, tuple):
                return (change(output[0]), *output[1:])
            return change(output)

        return run

    handles = [module_of(model, site).register_forward_hook(hook(change)) for site, change in changes.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def collect(model: LlamaForCausalLM, rows: Tensor, sites: Sequence[str], batch: int = 16) -> dict[str, Tensor]:
    """Activations of every row.

    Args:
        model: the language model.
        rows: token ids ``[n, length]``.
        sites: where to read.
        batch: rows at a time.

    Returns:
        For each site ``[n, length, d]``.
    """
    stored: dict[str, list[Tensor]] = {site: [] for site in sites}

    def keep(site: str) -> Change:
        def read(value: Tensor) -> Tensor:
            stored[site].append(value.clone())
            return value

        return read

    with hooked(model, {site: keep(site) for site in sites}):
        for start in range(0, len(rows), batch):
            model.model(input_ids=rows[start : start + batch])
    return {site: torch.cat(values) for site, values in stored.items()}


@torch.no_grad()
def cross_entropy(model: LlamaForCausalLM, rows: Tensor, changes: dict[str, Change], batch: int = 16) -> float:
    """Mean loss over the positions whose input is not the first token; a change never touches position 0."""

    def spare_start(change: Change) -> Change:
        return lambda value: torch.cat([value[:, :1], change(value[:, 1:])], 1)

    total = count = 0.0
    with hooked(model, {site: spare_start(change) for site, change in changes.items()}):
        for start in range(0, len(rows), batch):
            ids = rows[start : start + batch]
            logits = model(input_ids=ids).logits[:, 1:-1]
            total += float(
                nn.functional.cross_entropy(
                    logits.reshape(-1, logits.shape[-1]), ids[:, 2:].reshape(-1), reduction="sum"
                )
            )
            count += ids[:, 2:].numel()
    return total / count


@torch.no_grad()
def cross_entropy_with(model: LlamaForCausalLM, rows: Tensor, dictionary: Dictionary) -> float:
    """Loss with the dictionary's reconstruction in the place of what it stands for."""
    site_in, site_out = str(dictionary.site_in), str(dictionary.site_out)
    if site_in == site_out:
        return cross_entropy(model, rows, {site_out: dictionary.reconstruct})
    read: list[Tensor] = []

    def remember(value: Tensor) -> Tensor:
        read[:] = [value]
        return value

    return cross_entropy(model, rows, {site_in: remember, site_out: lambda _: dictionary.reconstruct(read[0])})
