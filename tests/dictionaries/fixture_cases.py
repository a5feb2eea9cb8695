"""Every fixture of other libraries: its format, what its files leave open, which of its numbers are ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from torch.nn.functional import cosine_similarity

from saewidgets.dictionaries.crosscoder import Crosscoder
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.temporal import Temporal

Number = Callable[[Dictionary, Tensor], Tensor]
Arguments = Mapping[str, Any]


def acts(dictionary: Dictionary, x: Tensor) -> Tensor:
    return dictionary.encode(x)


def recon(dictionary: Dictionary, x: Tensor) -> Tensor:
    return dictionary.reconstruct(x)


def left(dictionary: Dictionary, x: Tensor) -> Tensor:
    return dictionary.error(x)


def unit_acts(dictionary: Dictionary, x: Tensor) -> Tensor:
    return dictionary.unit_norm().encode(x)


def directions(dictionary: Dictionary, _x: Tensor) -> Tensor:
    return dictionary.directions


def pre(dictionary: Dictionary, x: Tensor) -> Tensor:
    assert isinstance(dictionary, FeedForward)
    return dictionary.pre_activations(x)


def rectified_pre(dictionary: Dictionary, x: Tensor) -> Tensor:
    return pre(dictionary, x).relu()


def predicted(dictionary: Dictionary, x: Tensor) -> Tensor:
    assert isinstance(dictionary, Temporal)
    return dictionary.split(x)[1]


def relative_norm(dictionary: Dictionary, _x: Tensor) -> Tensor:
    assert isinstance(dictionary, Crosscoder)
    return dictionary.relative_norms()[:, 1]


def decoder_cosine(dictionary: Dictionary, _x: Tensor) -> Tensor:
    assert isinstance(dictionary, Crosscoder)
    return cosine_similarity(dictionary.W_dec[0], dictionary.W_dec[1], dim=-1)


def times(factor: float) -> Number:
    """Activations on a scale of the authors that is not the one of the format."""
    return lambda dictionary, x: dictionary.encode(x) * factor


@dataclass(frozen=True)
class Case:
    """One way to load a fixture.

    Args:
        format: What `"auto"` must find.
        arguments: What the files leave open, and nothing else: each of them is asked for.
        place: File or folder inside the fixture.
        numbers: Array of `expected.npz` -> what of ours it is.
        also: Array -> what it is of the dictionary that is loaded with further arguments.
        not_ours: Arrays that are no number of a dictionary, and why.
        warned: A word of a warning that the card must carry.
        rounded: Whether its authors computed in bfloat16.
    """

    format: str
    arguments: Arguments = field(default_factory=dict)
    place: str = ""
    numbers: Mapping[str, Number] = field(default_factory=dict)
    also: Mapping[str, tuple[Number, Arguments]] = field(default_factory=dict)
    not_ours: Mapping[str, str] = field(default_factory=dict)
    warned: str = ""
    rounded: bool = False

    @property
    def compared(self) -> dict[str, tuple[Number, Arguments]]:
        """Every array that is compared."""
        standard = {"acts": acts, "recon": recon} if "acts_1" not in self.numbers else {}
        return {name: (number, {}) for name, number in {**standard, **self.numbers}.items()} | dict(self.also)


_RAW = {"acts_raw_unnormalized": (acts, {"decoder_norm": "raw"})}
_UNORDERED = dict.fromkeys(("top_acts", "top_indices"), "in no order; compared as sets in formats/test_sparsify.py")
_OVERCOMPLETE = {"pre_acts": pre, "dictionary": directions}
_FOLDED = {
    "whitening_M": "folded into the weights before they were saved",
    "whitening_mean": "folded into the weights before they were saved",
}
_OTHER = dict.fromkeys(("acts", "recon"), "of the other layer")

CASES: dict[str, list[Case]] = {
    "bartbussmann_batchtopk__batchtopk": [Case("bartbussmann_batchtopk", warned="batch")],
    "bartbussmann_batchtopk__vanilla": [Case("bartbussmann_batchtopk")],
    "circuit_tracer__clt_relu": [Case("circuit_tracer")],
    "circuit_tracer__transcoder_set_jumprelu": [Case("circuit_tracer")],
    "circuit_tracer__transcoder_set_relu": [
        Case(
            "circuit_tracer",
            place="layer_0.safetensors",
            not_ours=dict.fromkeys(("acts_1", "recon_1"), "of the other layer"),
        ),
        Case("circuit_tracer", {"site": "mlp_in.1"}, numbers={"acts_1": acts, "recon_1": recon}, not_ours=_OTHER),
    ],
    "ckkissane_attn_sae__hook_z_pt": [Case("ckkissane_attn")],
    "crosscoder__ckkissane_model_diff": [
        Case(
            "crosscoders",
            numbers={"relative_decoder_norm": relative_norm, "decoder_cosine": decoder_cosine},
            warned="Scale the activations",
        )
    ],
    "crosscoder__science_of_finetuning_crosscoder": [
        Case("crosscoders", {"site": "resid_post.13"}, numbers={"acts_scaled": unit_acts}),
        Case("crosscoders", {"site": "resid_post.13"}, place="ae.pt", numbers={"acts_scaled": unit_acts}),
    ],
    "dictionary_learning__autoencoder_p_anneal": [Case("dictionary_learning", also=_RAW)],
    "dictionary_learning__autoencoder_standard": [Case("dictionary_learning", also=_RAW)],
    "dictionary_learning__batchtopk_threshold_unset": [
        Case("dictionary_learning", {"threshold": 0.0}, numbers={"acts_raw_unnormalized": acts})
    ],
    "dictionary_learning__gated": [Case("dictionary_learning", numbers={"acts_raw_unnormalized": acts})],
    "dictionary_learning__jumprelu": [Case("dictionary_learning", numbers={"acts_raw_unnormalized": acts})],
    "dictionary_learning__topk": [
        Case(
            "dictionary_learning",
            numbers={"acts_raw_unnormalized": acts},
            also={"acts_threshold": (acts, {"threshold": 0.9})},
        )
    ],
    "e2e_sae__relu": [Case("e2e_sae")],
    "gemma_scope_2__jumprelu": [Case("gemma_scope_2")],
    "gemma_scope__embedding_npz": [Case("gemma_scope", warned="root of its width")],
    "gemma_scope__jumprelu_npz": [Case("gemma_scope", {"site": "resid_post.5"})],
    "goodfire__standard_pth": [Case("goodfire")],
    "llama_scope__jumprelu": [
        Case("llama_scope", numbers={"acts_saelens_scale": times(4 / 9)}, warned="unit norm"),
    ],
    "llamascopium__jumprelu_dataset_wise": [Case("llamascopium", numbers={"acts_folded_scale": times(7 / 4)})],
    "matryoshka__nabeshima_relu": [Case("matryoshka_saes", {"site": "resid_post.1"})],
    "openai__topk_v5": [Case("openai", {"site": "resid_post.8"})],
    "overcomplete__batchtopk": [
        Case(
            "overcomplete",
            {"site": "resid_post.11", "architecture": "BatchTopKSAE", "threshold": 1.0864182},
            numbers=_OVERCOMPLETE,
            not_ours={"running_threshold": "an argument: a state dict does not hold it"},
        )
    ],
    "overcomplete__mp": [
        Case(
            "overcomplete",
            {"site": "resid_post.11", "architecture": "MpSAE", "k": 6},
            numbers={"pre_acts": left, "dictionary": directions},
        )
    ],
    "overcomplete__topk": [
        Case("overcomplete", {"site": "resid_post.11", "architecture": "TopKSAE", "k": 6}, numbers=_OVERCOMPLETE)
    ],
    "qwen_scope__topk_pt": [Case("qwen_scope", {"k": 6})],
    "saelens__batchtopk_inference": [Case("saelens")],
    "saelens__gated": [Case("saelens")],
    "saelens__jumprelu": [Case("saelens")],
    "saelens__jumprelu_bf16": [Case("saelens", rounded=True)],
    "saelens__jumprelu_folded_wdec_norm": [Case("saelens")],
    "saelens__jumprelu_training_inference": [Case("saelens")],
    "saelens__jumprelu_transcoder": [Case("saelens", {"site_out": "mlp_out.1"})],
    "saelens__matching_pursuit": [Case("saelens")],
    "saelens__matryoshka_batchtopk_training_ckpt": [Case("saelens", warned="together")],
    "saelens__skip_transcoder": [Case("saelens", {"site_out": "mlp_out.1"})],
    "saelens__standard": [Case("saelens")],
    "saelens__standard_constant_norm_rescale": [Case("saelens")],
    "saelens__standard_expected_average_unfolded": [Case("saelens", {"norm_factor": 1.0})],
    "saelens__standard_no_bdec_input": [Case("saelens")],
    "saelens__standard_training_inference": [Case("saelens")],
    "saelens__standard_whitening_folded": [Case("saelens", not_ours=_FOLDED)],
    "saelens__temporal": [Case("saelens", numbers={"z_pred": predicted})],
    "saelens__topk": [Case("saelens")],
    "saelens__topk_training_inference": [Case("saelens")],
    "saelens_legacy__v2_standard": [Case("saelens")],
    "saelens_legacy__v5_topk": [Case("saelens")],
    "security__object_pickle_must_be_refused": [],
    "sparsify__skip_transcoder": [Case("sparsify", numbers={"pre_acts": rectified_pre}, not_ours=_UNORDERED)],
    "sparsify__topk": [Case("sparsify", numbers={"pre_acts": rectified_pre}, not_ours=_UNORDERED)],
    "switch_sae__switch": [
        Case("switch_sae", {"site": "resid_post.8"}, also={"acts_before_topk": (acts, {"k": 12})}),
    ],
    "temporal_saes__conf_yaml": [
        Case("temporal_saes", {"site": "resid_post.12"}, numbers={"z_pred": predicted}),
    ],
    "transcoder_circuits__mlp_transcoder": [Case("transcoder_circuits", {"site": "mlp_in.8"}, warned="without them")],
}

# Files that hold Python objects: refused whatever is said about them, with the way to convert them.
REFUSED = (
    "security__object_pickle_must_be_refused",
    "security__object_pickle_must_be_refused/legacy_full_pickle.pt",
    "overcomplete__batchtopk/model_full_pickle.pt",
    "overcomplete__mp/model_full_pickle.pt",
    "overcomplete__topk/model_full_pickle.pt",
)
