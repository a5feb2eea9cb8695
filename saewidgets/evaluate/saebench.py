"""Adapter to SAEBench (2503.09532), for the suites that belong there: RAVEL, unlearning, SCR, TPP, autointerp."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor, nn

from saewidgets.dictionaries import Dictionary, FeedForward
from saewidgets.errors import DictionaryError


class SaeBenchDictionary(nn.Module):
    """What SAEBench asks of an SAE: `W_enc`, `W_dec`, `b_enc`, `b_dec`, `encode`, `decode`, `forward`, `cfg`.

    Its decoder rows have norm 1, as SAEBench requires; activations are on that scale.
    """

    def __init__(self, dictionary: FeedForward, model: str, layer: int) -> None:
        super().__init__()
        self._dictionary = unit = dictionary.unit_norm()
        self.W_enc = nn.Parameter(unit.W_enc.float(), requires_grad=False)
        self.W_dec = nn.Parameter(unit.directions, requires_grad=False)
        self.b_enc = nn.Parameter(unit.b_enc.float(), requires_grad=False)
        self.b_dec = nn.Parameter(unit.b_dec.float(), requires_grad=False)
        self.device, self.dtype = unit.device, torch.float32
        hook = f"blocks.{layer}.hook_{unit.site_in.stream}"
        self.cfg = SimpleNamespace(
            model_name=model, d_in=unit.d_in, d_sae=unit.d_dict, hook_layer=layer, hook_name=hook, context_size=128,
            architecture=unit.architecture, apply_b_dec_to_input=unit.b_in is not None, dtype="float32",
        )  # fmt: skip

    def encode(self, x: Tensor) -> Tensor:
        """`[..., d_dict]`."""
        return self._dictionary.encode(x)

    def decode(self, features: Tensor) -> Tensor:
        """`[..., d_in]`."""
        return self._dictionary.decode(features)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction of `[..., d_in]`."""
        return self._dictionary.reconstruct(x)


def to_saebench(dictionary: Dictionary, model: str) -> SaeBenchDictionary:
    """The dictionary as SAEBench takes it.

    Args:
        dictionary: An autoencoder of one site inside a block, without a norm of each token.
        model: Name of the model, as SAEBench knows it.

    Raises:
        DictionaryError: Another kind.
    """
    fits = isinstance(dictionary, FeedForward) and not dictionary.norm.per_token and dictionary.W_skip is None
    layer = dictionary.site_in.layer
    if not fits or dictionary.site_in != dictionary.site_out or layer is None:
        raise DictionaryError(f"{dictionary!r} does not fit SAEBench.", "It takes plain autoencoders inside a block.")
    assert isinstance(dictionary, FeedForward)
    return SaeBenchDictionary(dictionary, model, layer)
