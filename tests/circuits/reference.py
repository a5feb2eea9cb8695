"""Attribution graphs the slow way, from the formulas: autograd in float64, one backward pass for every target.

Nothing here is taken from `saewidgets.circuits` or `saewidgets.model`: attention with a detached pattern, norms with a
detached scale and MLPs whose outputs are leaves, put into the Hugging Face modules by hand.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor

NAME = "frozen_reference"


def attend(module, query, key, value, attention_mask, scaling=None, softcap=None, **_):
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = query @ key.mT * (scaling or query.shape[-1] ** -0.5)
    if softcap:
        scores = softcap * (scores / softcap).tanh()
    tokens = query.shape[2]
    mask = torch.ones(tokens, tokens, dtype=torch.bool).tril()
    if getattr(module, "sliding_window", None):
        mask &= ~torch.ones(tokens, tokens, dtype=torch.bool).tril(-module.sliding_window)
    pattern = scores.masked_fill(~mask, -torch.inf).softmax(-1).detach()
    return (pattern @ value).transpose(1, 2), pattern


def norm(module: Any, x: Tensor) -> Tensor:
    """A norm with its scale held."""
    if isinstance(module, torch.nn.LayerNorm):
        centred = x - x.mean(-1, keepdim=True)
        scale = (x.var(-1, keepdim=True, unbiased=False) + module.eps).rsqrt().detach()
        return centred * scale * module.weight + module.bias
    eps = getattr(module, "variance_epsilon", None) or module.eps
    scale = (x.pow(2).mean(-1, keepdim=True) + eps).rsqrt().detach()
    return x * scale * (1 + module.weight if "Gemma" in type(module).__name__ else module.weight)


@dataclass
class Places:
    layers: Any
    embed: Any
    read: list[Any]  # whose input is the MLP's
    write: list[Any]  # whose output is the MLP's
    final: Any


def places(module: Any) -> Places:
    if hasattr(module, "transformer"):
        body = module.transformer
        return Places(body.h, body.wte, [b.mlp for b in body.h], [b.mlp for b in body.h], body.ln_f)
    body = module.model
    write = [getattr(b, "post_feedforward_layernorm", b.mlp) for b in body.layers]
    return Places(body.layers, body.embed_tokens, [b.mlp for b in body.layers], write, body.norm)


@contextmanager
def hooks(handles: list[Any], patched: dict[Any, Any], config: Any) -> Iterator[None]:
    name = config._attn_implementation_internal
    try:
        config._attn_implementation_internal = NAME
        for one, forward in patched.items():
            one.forward = forward
        yield
    finally:
        config._attn_implementation_internal = name
        for handle in handles:
            handle.remove()
        for one in patched:
            del one.forward


@dataclass
class Reference:
    """What the formulas give. Nodes: (layer, position, index) of features; then errors, tokens, targets."""

    features: list[tuple[int, int, int]]
    activations: list[float]
    pre: list[float]
    adjacency: np.ndarray
    weights: np.ndarray
    token_ids: list[int]


def activate(pre: Tensor, kind: str, k: int, threshold: Tensor | None) -> Tensor:
    if kind == "relu":
        return pre.clamp_min(0)
    if kind == "jumprelu":
        return pre * (pre > threshold).double() * (pre > 0).double()
    kept = torch.zeros_like(pre)
    for row, out in zip(pre, kept, strict=True):
        best = sorted(range(len(row)), key=lambda i: -float(row[i]))[:k]
        out[best] = row[best].clamp_min(0)
    return kept


def attribute(module: Any, ids: list[int], weights: dict[int, dict[str, Any]], ignored: int = 1) -> Reference:
    """The adjacency of a float64 module.

    Args:
        module: The Hugging Face model in float64.
        ids: The prompt.
        weights: Layer -> `W_enc [d, m]`, `b_enc`, `W_dec` (target layer -> `[m, d]`), `b_dec`, `kind`, `k`,
            `threshold`, `W_skip` or None.
        ignored: First tokens without features and errors.
    """
    transformers.AttentionInterface.register(NAME, attend)
    at, tokens, leaves, reads, outputs = places(module), len(ids), {}, {}, {}
    layers = len(at.layers)

    def on_embed(_module, _args, output):
        leaves[-1] = output.detach().requires_grad_()
        return leaves[-1]

    def on_read(layer):
        def hook(_module, args):
            reads[layer] = args[0]

        return hook

    def on_write(layer):
        def hook(_module, _args, output):
            outputs[layer] = output.detach()
            one = weights.get(layer)
            skip = reads[layer] @ one["W_skip"] if one and one["W_skip"] is not None else torch.zeros_like(output)
            leaves[layer] = (output - skip).detach().requires_grad_()
            return skip + leaves[layer]

        return hook

    kept = {}

    def on_final(_module, _args, output):
        kept["final"] = output

    handles = [at.embed.register_forward_hook(on_embed), at.final.register_forward_hook(on_final)]
    for layer in range(layers):
        handles.append(at.read[layer].register_forward_pre_hook(on_read(layer)))
        handles.append(at.write[layer].register_forward_hook(on_write(layer)))
    norms = [m for m in module.modules() if type(m).__name__.endswith("Norm")]
    patched = {m: (lambda x, m=m: norm(m, x)) for m in norms}
    with hooks(handles, patched, module.config):
        logits = module(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
    inputs = [leaves[n] for n in range(-1, layers)]
    # Features and errors.
    features, activations, pre, targets = [], [], [], []
    written = {layer: torch.zeros(tokens, outputs[0].shape[-1]).double() for layer in range(layers)}
    contributions = []
    for layer, one in sorted(weights.items()):
        u = reads[layer][0]
        values = u @ one["W_enc"] + one["b_enc"]
        acts = activate(values.detach(), one["kind"], one["k"], one["threshold"])
        acts[:ignored] = 0
        for p, i in acts.nonzero().tolist():
            features.append((layer, p, i))
            activations.append(float(acts[p, i]))
            pre.append(float(values[p, i].detach()))
            targets.append(values[p, i])
            what = {to: float(acts[p, i]) * rows[i] for to, rows in one["W_dec"].items()}
            contributions.append((p, what))
            for to, vector in what.items():
                written[to][p] += vector
    errors = []
    for layer in range(layers):
        one = weights.get(layer)
        b_dec = one["b_dec"] if one else 0.0
        error = leaves[layer][0].detach() - written[layer] - b_dec
        error[:ignored] = 0
        errors += [(layer, p, error[p]) for p in range(tokens)]
    unembed = module.get_output_embeddings().weight
    p = logits.detach().softmax(-1)
    order = sorted(range(len(p)), key=lambda i: -float(p[i]))
    count, mass = 0, 0.0
    while mass < 0.95 and count < 10:
        mass += float(p[order[count]])
        count += 1
    for i in order[:count]:
        targets.append(kept["final"][0, -1] @ (unembed[i] - unembed.mean(0)))
    n_features, n = len(features), len(features) + layers * tokens + tokens + count
    adjacency = np.zeros((n, n))
    for t, target in enumerate(targets):
        grads = torch.autograd.grad(target, inputs, retain_graph=True, allow_unused=True)
        g = {n - 1: (torch.zeros_like(leaves[n - 1]) if one is None else one)[0] for n, one in enumerate(grads)}
        row = t if t < n_features else n - count + t - n_features
        for s, (position, what) in enumerate(contributions):
            adjacency[row, s] = sum(float(g[to][position] @ vector) for to, vector in what.items())
        for s, (layer, position, error) in enumerate(errors):
            adjacency[row, n_features + s] = float(g[layer][position] @ error)
        for position in range(tokens):
            column = n_features + layers * tokens + position
            # The leaf is what the embedding returns; Gemma multiplies it afterwards, which its gradient holds.
            adjacency[row, column] = float(g[-1][position] @ leaves[-1][0, position].detach())
    share = np.zeros(n)
    share[-count:] = p[order[:count]].numpy()
    return Reference(features, activations, pre, adjacency, share, order[:count])


# --------------------------------------------------------------- influence, pruning and scores, on dense arrays


def shares(adjacency: np.ndarray) -> np.ndarray:
    size = np.abs(adjacency)
    return size / np.maximum(size.sum(1, keepdims=True), 1e-10)


def influence(adjacency: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """By inverting a matrix: w ((I - A)^-1 - I)."""
    n = len(weights)
    return weights @ (np.linalg.inv(np.eye(n) - shares(adjacency)) - np.eye(n))


def cut(values: np.ndarray, share: float) -> float:
    ordered = sorted(values.ravel().tolist(), reverse=True)
    running, total = 0.0, sum(ordered)
    for value in ordered:
        running += value
        if running / total >= share:
            return value
    return ordered[-1]


def prune(adjacency: np.ndarray, weights: np.ndarray, fixed: int, n_features: int, nodes: float, edges: float):
    """Masks of nodes and edges; the last `fixed` nodes (tokens and targets) stay."""
    n = len(weights)
    reached = influence(adjacency, weights)
    keep = reached >= cut(reached, nodes)
    keep[n - fixed :] = True
    left = adjacency * keep[:, None] * keep[None]
    through = influence(left, weights) + weights
    score = shares(left) * through[:, None]
    edge = (score >= cut(score, edges)) & (score > 0)
    while True:
        old = keep.copy()
        keep[: n - fixed] &= edge[:, : n - fixed].any(0)
        keep[:n_features] &= edge[:n_features].any(1)
        edge &= keep[:, None] & keep[None]
        if (old == keep).all():
            return keep, edge


def scores(adjacency: np.ndarray, weights: np.ndarray, errors: slice, tokens: slice) -> tuple[float, float]:
    reached = influence(adjacency, weights)
    replacement = reached[tokens].sum() / (reached[tokens].sum() + reached[errors].sum())
    through = reached + weights
    completeness = (through * (1 - shares(adjacency)[:, errors].sum(1))).sum() / through.sum()
    return float(replacement), float(completeness)
