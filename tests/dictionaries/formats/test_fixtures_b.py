"""Files of other libraries, with the numbers those libraries compute: the formats of group B."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from saewidgets.dictionaries import load_dictionary
from saewidgets.dictionaries.crosscoder import Crosscoder
from saewidgets.dictionaries.formats.files import SUFFIXES, Files
from saewidgets.dictionaries.load import _FORMATS
from saewidgets.dictionaries.temporal import Temporal
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.cards_b import CARDS
from tests.dictionaries.formats.hand import FIXTURES

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="the fixtures of other libraries lie beside the clone")

# Fixture, path in it, arguments, and the keys of the expected activations and reconstruction.
Case = tuple[str, str, dict[str, Any], str, str]
CASES: list[Case] = [
    ("circuit_tracer__clt_relu", "", {}, "acts", "recon"),
    ("circuit_tracer__transcoder_set_jumprelu", "", {}, "acts", "recon"),
    ("circuit_tracer__transcoder_set_relu", "layer_0.safetensors", {}, "acts", "recon"),
    ("circuit_tracer__transcoder_set_relu", "", {"site": "mlp_in.1"}, "acts_1", "recon_1"),
    ("crosscoder__ckkissane_model_diff", "", {}, "acts", "recon"),
    ("crosscoder__science_of_finetuning_crosscoder", "", {"site": "resid_post.13"}, "acts", "recon"),
    ("crosscoder__science_of_finetuning_crosscoder", "ae.pt", {"site": "resid_post.13"}, "acts", "recon"),
    ("gemma_scope_2__jumprelu", "", {}, "acts", "recon"),
    ("gemma_scope__embedding_npz", "", {}, "acts", "recon"),
    ("gemma_scope__jumprelu_npz", "", {"site": "resid_post.5"}, "acts", "recon"),
    ("gemma_scope__jumprelu_npz", "", {"strict": False}, "acts", "recon"),
    ("llama_scope__jumprelu", "", {}, "acts", "recon"),
    ("llamascopium__jumprelu_dataset_wise", "", {}, "acts", "recon"),
    ("matryoshka__nabeshima_relu", "", {"site": "resid_post.1"}, "acts", "recon"),
    ("switch_sae__switch", "", {"site": "resid_post.8"}, "acts", "recon"),
    ("temporal_saes__conf_yaml", "", {"site": "resid_post.12"}, "acts", "recon"),
]


def expected(fixture: str) -> dict[str, np.ndarray]:
    with np.load(FIXTURES / fixture / "expected.npz") as archive:
        return dict(archive)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}/{case[1]}")
def test_the_numbers_are_the_authors(case: Case) -> None:
    fixture, place, arguments, acts, recon = case
    dictionary = load_dictionary(FIXTURES / fixture / place, **arguments)
    known = expected(fixture)
    x = torch.tensor(known["x"])
    np.testing.assert_allclose(dictionary.encode(x).numpy(), known[acts], atol=1e-4, rtol=0)
    np.testing.assert_allclose(dictionary.reconstruct(x).numpy(), known[recon], atol=1e-3, rtol=0)


def test_other_scales_that_authors_publish() -> None:
    """The summed code normalisation, the share of a model, SAELens' scale of Llama Scope, the folded llamascopium."""
    known = expected("crosscoder__science_of_finetuning_crosscoder")
    crosscoder = load_dictionary(FIXTURES / "crosscoder__science_of_finetuning_crosscoder", site="resid_post.13")
    assert isinstance(crosscoder, Crosscoder)
    close(crosscoder.unit_norm().encode(torch.tensor(known["x"])), known["acts_scaled"])
    known = expected("crosscoder__ckkissane_model_diff")
    crosscoder = load_dictionary(FIXTURES / "crosscoder__ckkissane_model_diff")
    assert isinstance(crosscoder, Crosscoder)
    close(crosscoder.relative_norms()[:, 1], known["relative_decoder_norm"])
    known = expected("llama_scope__jumprelu")
    close(
        load_dictionary(FIXTURES / "llama_scope__jumprelu").encode(torch.tensor(known["x"])) * 4 / 9,
        known["acts_saelens_scale"],
    )
    known = expected("llamascopium__jumprelu_dataset_wise")
    scopium = load_dictionary(FIXTURES / "llamascopium__jumprelu_dataset_wise")
    close(scopium.encode(torch.tensor(known["x"])) * 7 / 4, known["acts_folded_scale"])
    known = expected("temporal_saes__conf_yaml")
    temporal = load_dictionary(FIXTURES / "temporal_saes__conf_yaml", site="resid_post.12")
    assert isinstance(temporal, Temporal)
    close(temporal.split(torch.tensor(known["x"]))[1], known["z_pred"])


def close(found: torch.Tensor, known: np.ndarray) -> None:
    np.testing.assert_allclose(found.numpy(), known, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "fixture",
    ["gemma_scope__jumprelu_npz", "matryoshka__nabeshima_relu", "switch_sae__switch", "temporal_saes__conf_yaml",
     "crosscoder__science_of_finetuning_crosscoder", "circuit_tracer__transcoder_set_relu"],
)  # fmt: skip
def test_what_no_file_says_is_refused(fixture: str) -> None:
    with pytest.raises(DictionaryError, match="site="):
        load_dictionary(FIXTURES / fixture)


def places() -> list[Path]:
    """Every folder and every weights file of every fixture."""
    found = sorted(FIXTURES.rglob("*")) if FIXTURES.is_dir() else []
    return [path for path in found if path.is_dir() or (path.suffix in SUFFIXES and path.name != "expected.npz")]


def test_no_two_formats_claim_the_same_files() -> None:
    claims = {path: [m.NAME for m in _FORMATS if m.matches(Files(path, path.name))] for path in places()}
    assert {path: names for path, names in claims.items() if len(names) > 1} == {}
    assert sum(map(len, claims.values())) >= 20


def card(fixture: str, place: str, arguments: dict[str, Any]) -> list[str]:
    made = load_dictionary(FIXTURES / fixture / place, **arguments).card
    lines = [f"{f.question}: {f.answer} ({f.where})" for f in made.findings]
    return [made.format, *lines, *(f"! {sentence[:60].rstrip()}" for sentence in made.warnings)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}/{case[1]}")
def test_the_card_says_where_everything_was_found(case: Case) -> None:
    fixture, place, arguments, *_ = case
    assert card(fixture, place, arguments) == CARDS[fixture, place, *arguments].splitlines()
