"""SAELens `temporal` (2511.01836): `W_dec`, `b_dec`, attention layers, and `W_enc` unless the weights are tied.

The config gives `n_heads`, `n_attn_layers`, `sae_diff_type` ("topk" or "relu"), `kval_topk`, `tied_weights`, and with
`normalize_activations = "constant_scalar_rescale"` an `activation_normalization_factor`. `b_dec` is subtracted if
`apply_b_dec_to_input`; it is added then, and always where the weights are not tied.
"""

from __future__ import annotations

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.formats import orient, saelens_norms, temporal_saes, values
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.formats.saelens_config import CONFIG, WEIGHTS, Config
from saewidgets.dictionaries.temporal import Temporal
from saewidgets.errors import DictionaryError, shorten


def read(files: Files, questions: Questions, config: Config, tensors: dict[str, Tensor]) -> Temporal:
    """Read a temporal dictionary.

    Raises:
        DictionaryError: Damaged, a variant that is not read, or an open question.
    """
    tied = bool(config.fields.get("tied_weights", True))
    n_layers = values.count(config.fields.get("n_attn_layers", 1), "n_attn_layers")
    needed = {"W_dec", "b_dec", *temporal_saes.attention_keys(n_layers)}
    orient.require(tensors, WEIGHTS, needed if tied else needed | {"W_enc"})
    heads = values.count(config.fields.get("n_heads", 8), "n_heads")
    site, _ = config.sites(questions)
    subtract = config.subtracts(questions, transcoder=False)
    norm, whitening = saelens_norms.read(files, questions, config, tensors["b_dec"].numel())
    if whitening is not None:
        raise DictionaryError("A whitened temporal dictionary is not read.", "SAELens cannot fold it either.")
    b_dec, none = tensors["b_dec"], torch.zeros_like(tensors["b_dec"])
    questions.note("encoder", "tied to W_dec" if tied else "W_enc", f"{CONFIG}: tied_weights")
    return Temporal(
        tensors["W_dec"].T if tied else tensors["W_enc"],
        tensors["W_dec"],
        b_dec if subtract else none,
        none if tied and not subtract else b_dec,
        temporal_saes.attention(tensors, n_layers, heads),
        _activation(config, questions),
        site,
        norm,
        card=questions.card("saelens"),
    )


def _activation(config: Config, questions: Questions) -> Activation:
    kind, k = config.fields.get("sae_diff_type", "topk"), config.fields.get("kval_topk")
    questions.note("activation", shorten(kind).strip("'"), f"{CONFIG}: sae_diff_type")
    if kind == "topk":
        k = questions.settle("k", "k", k, f"{CONFIG}: kval_topk")
        return Activation("topk", k=values.count(k, "k"))
    if kind == "relu":
        return Activation("relu")
    raise DictionaryError(f"sae_diff_type {shorten(kind)} is not read.", "Known: topk, relu.")
