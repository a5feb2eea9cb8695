"""`normalize_activations` of SAELens: what is done to inputs, and where the numbers for it stand."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from saewidgets.dictionaries.formats import orient, values
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.formats.saelens_config import CONFIG, Config
from saewidgets.dictionaries.norm import Norm
from saewidgets.errors import DictionaryError, shorten

_SCALER, _WHITENING = "activation_scaler.json", "activation_whitening.safetensors"
_KNOWN = ("none", "covariance_whitening", "constant_norm_rescale", "layer_norm")
_FEATURES = 256
_EACH_TOKEN = {"constant_norm_rescale": Norm("token_norm"), "layer_norm": Norm("layer_norm")}


@dataclass(frozen=True)
class Whitening:
    """`z = (x - mean) @ matrix`, undone by `x = z @ inverse + mean` (2511.13981).

    Args:
        mean: `[d]`.
        matrix: `[d, d]`.
        inverse: `[d, d]`.
    """

    mean: Tensor
    matrix: Tensor
    inverse: Tensor

    def fold(
        self, W_enc: Tensor, W_dec: Tensor, b_dec: Tensor, subtract: bool, in_place: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`W_enc`, `W_dec`, `b_dec` and `b_in` that read and write what is not whitened, float32.

        Some features at a time, and over float32 weights `in_place`: both in float64 would take four times the file.
        """
        bias = b_dec.double() @ self.inverse + self.mean
        encoder, decoder = (W_enc, W_dec) if in_place else (torch.empty(W_enc.shape), torch.empty(W_dec.shape))
        for part in torch.arange(len(W_dec)).split(_FEATURES):
            encoder[:, part] = (self.matrix @ W_enc[:, part].double()).float()
            decoder[part] = (W_dec[part].double() @ self.inverse).float()
        return encoder, decoder, bias.float(), (bias if subtract else self.mean).float()


def read(
    files: Files, questions: Questions, config: Config, d_in: int, transcoder: bool = False
) -> tuple[Norm, Whitening | None]:
    """The norm of inputs `[d_in]`, and a whitening that is to be folded.

    Raises:
        DictionaryError: A normalisation that is not read, or whose numbers are nowhere.
    """
    kind, where = config.fields.get("normalize_activations", "none"), f"{CONFIG}: normalize_activations"
    if config.legacy and isinstance(kind, bool):
        kind = "expected_average_only_in" if kind else "none"
    kind = kind if isinstance(kind, str) else shorten(kind)
    scaler = files.json(_SCALER) if files.has(_SCALER) else {}
    stored = scaler.get("scaling_factor")
    given = questions.given.get("norm_factor")
    if kind == "expected_average_only_in":
        return _expected_average(questions, stored), None
    if kind == "constant_scalar_rescale":
        found = config.fields.get("activation_normalization_factor", 1.0)
        return _factor(questions, found, f"{CONFIG}: activation_normalization_factor"), None
    if kind == "none" and (stored is not None or given is not None):
        return _factor(questions, None, "", 1.0, f"{CONFIG} says 'none', {_SCALER} {shorten(stored)}"), None
    questions.note("input norm", kind if kind in _KNOWN else shorten(kind), where)
    if kind == "covariance_whitening":
        whitening = _whitening(files, questions, scaler, d_in)
        return (Norm() if stored is None else _factor(questions, stored, f"{_SCALER}: scaling_factor")), whitening
    if kind in _EACH_TOKEN and not transcoder:
        return _EACH_TOKEN[kind], None
    if kind != "none":
        todo = "A transcoder's output cannot be undone." if transcoder else "Fold it and save again."
        raise DictionaryError(f"Input normalisation {shorten(kind)} is not read.", todo)
    return Norm(), None


def _expected_average(questions: Questions, stored: object) -> Norm:
    known = stored is not None or questions.given.get("norm_factor") is not None
    norm = _factor(questions, stored, f"{_SCALER}: scaling_factor", 1.0, "SAELens applies nothing then")
    if not known:
        questions.warn(
            "It was trained on inputs multiplied by a factor that is not in its files. As SAELens does, none is "
            "applied, which is right only if the factor has been folded into the weights."
        )
    return norm


def _factor(questions: Questions, found: object, where: str, assume: float | None = None, why: str = "") -> Norm:
    factor = questions.settle("norm factor", "norm_factor", found, where, assume, why)
    factor = values.positive(factor, "norm_factor")
    return Norm() if factor == 1 else Norm("factor", factor)


def _whitening(files: Files, questions: Questions, scaler: dict[str, object], d_in: int) -> Whitening | None:
    if files.has(_WHITENING) and scaler.get("has_whitening") is not False:
        tensors = files.tensors(_WHITENING)
        orient.require(tensors, _WHITENING, {"mean", "matrix", "inverse_matrix"})
        orient.require_shapes(tensors, _WHITENING, mean=(d_in,), matrix=(d_in, d_in), inverse_matrix=(d_in, d_in))
        mean, matrix, inverse = (tensors[name].double() for name in ("mean", "matrix", "inverse_matrix"))
        questions.note("whitening", "folded into the weights", _WHITENING)
        return Whitening(mean, matrix, inverse)
    if questions.strict:
        raise DictionaryError(
            f"It was trained on whitened inputs, and there is no {_WHITENING}.",
            "Put it beside the weights, or fold it and save again (strict=False applies none, as SAELens does).",
        )
    questions.warn(
        f"It was trained on whitened inputs, but there is no {_WHITENING}. As SAELens does, none is applied."
    )
    return None
