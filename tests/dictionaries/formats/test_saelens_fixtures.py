"""Folders that sae-lens wrote, with the numbers it computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from saewidgets.dictionaries import FeedForward, Temporal, load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import FIXTURES

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="the fixtures of other libraries lie beside the clone")

# What no file says, by fixture: the others say all.
OPEN: dict[str, dict[str, Any]] = {
    "saelens__jumprelu_transcoder": {"site_out": "mlp_out.1"},
    "saelens__skip_transcoder": {"site_out": "mlp_out.1"},
    "saelens__standard_expected_average_unfolded": {"strict": False},
}
ALL = sorted(path.name for path in FIXTURES.glob("saelens_*"))
EXACT = [name for name in ALL if not name.endswith("bf16")]


def expected(fixture: str) -> dict[str, np.ndarray]:
    with np.load(FIXTURES / fixture / "expected.npz") as archive:
        return dict(archive)


def test_there_are_fixtures() -> None:
    assert len(ALL) >= 21 and OPEN.keys() <= set(ALL)


@pytest.mark.parametrize("fixture", EXACT)
def test_the_numbers_are_those_of_sae_lens(fixture: str) -> None:
    dictionary, known = load_dictionary(FIXTURES / fixture, **OPEN.get(fixture, {})), expected(fixture)
    x = torch.tensor(known["x"])
    np.testing.assert_allclose(dictionary.encode(x).numpy(), known["acts"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(dictionary.reconstruct(x).numpy(), known["recon"], atol=1e-3, rtol=0)
    if isinstance(dictionary, Temporal):
        np.testing.assert_allclose(dictionary.split(x)[1].numpy(), known["z_pred"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("fixture", sorted(OPEN))
def test_what_no_file_says_is_refused(fixture: str) -> None:
    with pytest.raises(DictionaryError, match=r"norm_factor=" if "average" in fixture else r"site_out="):
        load_dictionary(FIXTURES / fixture)


def test_a_lost_norm_factor_is_flagged() -> None:
    fixture = "saelens__standard_expected_average_unfolded"
    assert "not in its files" in load_dictionary(FIXTURES / fixture, strict=False).card.warnings[0]


def test_bfloat16() -> None:
    """sae-lens computes it in bfloat16, we in float32: activations differ by its rounding, and at the threshold.

    The weights are the same to the bit: computed as sae-lens does, they give its numbers exactly.
    """
    fixture = "saelens__jumprelu_bf16"
    dictionary, known = load_dictionary(FIXTURES / fixture), expected(fixture)
    assert isinstance(dictionary, FeedForward) and dictionary.activation.threshold is not None
    x = torch.tensor(known["x"])
    assert dictionary.b_in is not None
    h = (x.bfloat16() - dictionary.b_in) @ dictionary.W_enc + dictionary.b_enc
    f = torch.where(h > dictionary.activation.threshold, h, 0.0).relu()
    np.testing.assert_array_equal(f.float().numpy(), known["acts"])
    np.testing.assert_array_equal((f @ dictionary.W_dec + dictionary.b_dec).float().numpy(), known["recon"])

    pre, threshold = dictionary.pre_activations(x), dictionary.activation.threshold.float()
    clear = ((pre - threshold).abs() > 2e-2 * (1 + threshold.abs())).numpy()
    found = dictionary.encode(x).numpy()
    assert clear.mean() > 0.98
    np.testing.assert_allclose(found[clear], known["acts"][clear], atol=2e-2, rtol=1e-2)


def test_a_folded_decoder_norm_is_unit_norm() -> None:
    raw, folded = (load_dictionary(FIXTURES / f"saelens__jumprelu{end}") for end in ("", "_folded_wdec_norm"))
    x = torch.tensor(expected("saelens__jumprelu")["x"])
    torch.testing.assert_close(raw.unit_norm().encode(x), folded.encode(x), atol=1e-4, rtol=0)
    torch.testing.assert_close(folded.directions.norm(dim=1), torch.ones(folded.d_dict))


def test_a_training_checkpoint_runs_with_its_threshold() -> None:
    fixture = "saelens__matryoshka_batchtopk_training_ckpt"
    batch = load_dictionary(FIXTURES / fixture)
    stored = load_file(FIXTURES / fixture / "sae_weights.safetensors")["topk_threshold"].item()
    alone = load_dictionary(FIXTURES / fixture, threshold=stored)
    x = torch.tensor(expected(fixture)["x"])
    assert batch.reads_context and not alone.reads_context
    every = batch.pre_activations(x) * batch.gate_scale  # type: ignore[attr-defined]
    torch.testing.assert_close(alone.encode(x), torch.where(every > stored, every, 0.0).relu())
