"""llamascopium's crosscoders and cross-layer transcoders; called by `llamascopium`.

`sae_type: crosscoder`: `W_E [n, d_model, d_dict]`, `b_E [n, d_dict]` (summed), `W_D [n, d_dict, d_model]`, `b_D [n,
d_model]`, one entry for each of `hook_points`. Its authors gate a feature at every place by the decoder norm there;
with ReLU that makes no difference, other activations give features that differ by place and are refused.

`sae_type: clt`: `W_E [L, d_model, d_dict]`, `b_E [L, d_dict]`, and for each target layer t `W_D.{t} [t + 1, d_dict,
d_model]`, `b_D.{t}`, with `hook_points_in` and `hook_points_out`.

```
crosscoder  f    = relu(sum over m of (x[m] s[m] W_E[m] + b_E[m]));  output[m] = (f W_D[m] + b_D[m]) / s[m]
clt         f[i] = h where h · |W_D of i| > exp(log threshold[i]),  h = x[i] s_in[i] W_E[i] + b_E[i]
            output[t] = (sum over i ≤ t of f[i] W_D.t[i] + b_D.t) / s_out[t]
```

`s` is √d_model over the average norm at the hook; `|W_D of i|` is the norm of what feature i writes at all layers
together.

Example:
    `load_dictionary("path/to/saved_crosscoder")`
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.clt import CrossLayerTranscoder
from saewidgets.dictionaries.crosscoder import Crosscoder
from saewidgets.dictionaries.formats import llamascopium, values
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.llamascopium import CONFIG
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.errors import DictionaryError, SiteError, shorten
from saewidgets.sites import Site


def read(files: Files, questions: Questions, config: dict[str, Any]) -> Dictionary:
    """Read a crosscoder or a cross-layer transcoder on the scale of its authors.

    Raises:
        DictionaryError: A part that is not read, damaged files, or an open question.
    """
    name, tensors = llamascopium.read_tensors(files)
    questions.define(bias="b_D is not subtracted")
    if config["sae_type"] == "crosscoder":
        return _crosscoder(name, tensors, config, questions)
    return _cross_layer(name, tensors, config, questions)


def _crosscoder(name: str, tensors: dict[str, Tensor], config: dict[str, Any], questions: Questions) -> Crosscoder:
    llamascopium.check(tensors, name, config, {"W_E", "b_E", "W_D", "b_D"})
    activation = llamascopium.activation(config, tensors, questions)
    if activation.kind != "relu":
        raise DictionaryError(f"A crosscoder with {config['act_fn']} is not read.", "Its features differ by place.")
    sites = _sites(questions, config, "hook_points", "site")
    factors = _factors(tensors, config, "hook_points", questions)
    if len(tensors["b_E"]) != len(sites):
        raise DictionaryError(f"b_E has {len(tensors['b_E'])} rows for {len(sites)} places.", "Get the file again.")
    return Crosscoder(
        tensors["W_E"],
        tensors["W_D"],
        tensors["b_E"].float().sum(0),
        tensors["b_D"],
        activation,
        sites,
        factors=None if factors is None else torch.tensor(factors),
        card=questions.card(llamascopium.NAME),
    )


def _cross_layer(
    name: str, tensors: dict[str, Tensor], config: dict[str, Any], questions: Questions
) -> CrossLayerTranscoder:
    sites_in = _sites(questions, config, "hook_points_in", "site")
    sites_out = _sites(questions, config, "hook_points_out", "site_out")
    n = len(sites_in)
    targets = {f"{key}.{layer}" for key in ("W_D", "b_D") for layer in range(n)}
    llamascopium.check(tensors, name, config, {"W_E", "b_E"} | targets)
    s_in = _factors(tensors, config, "hook_points_in", questions) or [1.0] * n
    s_out = _factors(tensors, config, "hook_points_out", None) or [1.0] * n
    written = [[tensors[f"W_D.{target}"][source] for target in range(source, n)] for source in range(n)]
    norms = [sum(rows.float().square().sum(1) for rows in parts) ** 0.5 for parts in written]
    W_E, b_E = tensors["W_E"], tensors["b_E"]
    return CrossLayerTranscoder(
        W_enc=tuple(_times(W_E[i], s_in[i]) for i in range(n)),
        W_dec=tuple(torch.stack([_times(r, 1 / s_out[i + j]) for j, r in enumerate(written[i])], 1) for i in range(n)),
        b_enc=tuple(b_E[i] for i in range(n)),
        b_dec=tuple(_times(tensors[f"b_D.{i}"], 1 / s_out[i]) for i in range(n)),
        activations=_activations(tensors, config, norms, questions),
        sites_in=sites_in,
        sites_out=sites_out,
        card=questions.card(llamascopium.NAME),
    )


def _activations(
    tensors: dict[str, Tensor], config: dict[str, Any], norms: list[Tensor], questions: Questions
) -> tuple[Activation, ...]:
    """One for each layer; a threshold for `h · norm` is one for `h` of threshold / norm."""
    common = llamascopium.activation(config, tensors, questions)
    gated = llamascopium.gated(config, questions)
    if common.threshold is None:
        if gated:
            raise DictionaryError(
                f"{config['act_fn']} ranked by decoder norms is not read here.", "Known: jumprelu, relu."
            )
        return (common,) * len(norms)
    thresholds = common.threshold.expand(len(norms), len(norms[0]))
    never = torch.finfo(thresholds.dtype).max
    return tuple(
        Activation("jumprelu", threshold=torch.where(norm > 0, t / norm, never) if gated else t)
        for t, norm in zip(thresholds, norms, strict=True)
    )


def _sites(questions: Questions, config: dict[str, Any], key: str, argument: str) -> tuple[Site, ...]:
    hooks = config.get(key)
    if not isinstance(hooks, list) or not hooks:
        raise DictionaryError(f"{CONFIG} gives no list of {key}.", "Get the file again.")
    try:
        sites = tuple(Site.parse(hook) for hook in hooks)
    except SiteError as error:
        raise DictionaryError(error.what, f"Name our sites in {key} of {CONFIG}.") from None
    listed = ", ".join(map(str, sites[:3])) + (" ..." if len(sites) > 3 else "")
    questions.note("site_in" if argument == "site" else "site_out", listed, f"{CONFIG}: {key}")
    return sites


def _factors(
    tensors: dict[str, Tensor], config: dict[str, Any], key: str, questions: Questions | None
) -> list[float] | None:
    """What activations were multiplied by in training at each hook, None for not at all; put on the card once."""
    kind = config.get("norm_activation")
    if kind == "inference":
        factors = None
    elif kind == "dataset-wise":
        found = [llamascopium.factor(tensors, str(hook), tensors["W_E"].shape[1]) for hook in config[key]]
        given = questions.given.get("norm_factor") if questions else None
        factors = [values.positive(given or factor, "norm_factor") for factor in found if given or factor is not None]
        if len(factors) < len(found):
            raise DictionaryError(f"The file gives no average norm at every one of {key}.", "Pass norm_factor=.")
    else:
        raise DictionaryError(f"Input normalisation {shorten(kind)} is not read.", "Fold it and save again.")
    if questions is not None:
        answer = "none" if factors is None else f"factors {', '.join(f'{factor:g}' for factor in factors[:3])}"
        questions.note("input norm", answer, f"{CONFIG}: norm_activation")
    return factors


def _times(value: Tensor, factor: float) -> Tensor:
    return value if factor == 1 else value.float() * factor
