"""Conformance: every fixture of other libraries gives the numbers of its authors, or the refusal it stands for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from saewidgets.dictionaries import load_dictionary
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats.files import SUFFIXES, Files
from saewidgets.dictionaries.load import _FORMATS
from saewidgets.errors import DictionaryError
from tests.dictionaries import golden_cards
from tests.dictionaries.fixture_cases import CASES, REFUSED, Case
from tests.dictionaries.formats.hand import FIXTURES

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="the fixtures of other libraries lie beside the clone")

# A folder that is not in the table is a row too, and fails.
FOLDERS = sorted({path.name for path in FIXTURES.iterdir() if path.is_dir()} if FIXTURES.is_dir() else CASES)
ROWS = [(fixture, case) for fixture, cases in CASES.items() for case in cases]
OPEN = [(fixture, case, name) for fixture, case in ROWS for name in case.arguments]


def row_id(value: object) -> str:
    return value.place or "folder" if isinstance(value, Case) else str(value)


def arrays(fixture: str) -> dict[str, np.ndarray]:
    with np.load(FIXTURES / fixture / "expected.npz") as archive:
        return dict(archive)


@pytest.mark.parametrize("fixture", FOLDERS)
def test_every_array_of_every_fixture_is_accounted_for(fixture: str) -> None:
    assert fixture in CASES, f"{fixture} is new: add it to fixture_cases.py"
    expected = json.loads((FIXTURES / fixture / "meta.json").read_text("utf-8")).get("expected_keys", {})
    assert bool(CASES[fixture]) == bool(expected)
    for case in CASES[fixture]:
        assert set(expected) == {"x", *case.compared, *case.not_ours}
        assert not set(case.compared) & set(case.not_ours)


@pytest.mark.parametrize(("fixture", "case"), [row for row in ROWS if not row[1].rounded], ids=row_id)
def test_the_numbers_are_the_authors(fixture: str, case: Case) -> None:
    known = arrays(fixture)
    x = torch.tensor(known["x"])
    for name, (number, further) in case.compared.items():
        dictionary = load_dictionary(FIXTURES / fixture / case.place, **{**case.arguments, **further})
        assert dictionary.card.format == case.format
        found = number(dictionary, x).numpy()
        assert found.shape == known[name].shape
        tolerance = 1e-3 if name.startswith("recon") else 1e-4
        np.testing.assert_allclose(found, known[name], atol=tolerance, rtol=0, err_msg=name)


@pytest.mark.parametrize(("fixture", "case"), [row for row in ROWS if row[1].rounded], ids=row_id)
def test_the_numbers_are_the_authors_but_for_their_rounding(fixture: str, case: Case) -> None:
    """bfloat16 has 8 bits: 1 %. A feature as near as that to its threshold may be on in theirs and off in ours."""
    known = arrays(fixture)
    dictionary = load_dictionary(FIXTURES / fixture / case.place, **case.arguments)
    assert isinstance(dictionary, FeedForward) and dictionary.activation.threshold is not None
    assert dictionary.W_enc.dtype == torch.bfloat16
    x, theirs = torch.tensor(known["x"]).bfloat16().float(), torch.tensor(known["acts"])
    ours, threshold = dictionary.encode(x), dictionary.activation.threshold.float()
    clear = (dictionary.pre_activations(x) - threshold).abs() > 1e-2
    assert clear.float().mean() > 0.99
    torch.testing.assert_close(ours[clear], theirs[clear], atol=1e-2, rtol=1e-2)
    torch.testing.assert_close(dictionary.decode(theirs), torch.tensor(known["recon"]), atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize(("fixture", "case", "argument"), OPEN, ids=row_id)
def test_what_no_file_says_is_asked_for(fixture: str, case: Case, argument: str) -> None:
    rest = {name: value for name, value in case.arguments.items() if name != argument}
    with pytest.raises(DictionaryError, match=f"{argument}="):
        load_dictionary(FIXTURES / fixture / case.place, **rest)


@pytest.mark.parametrize(("fixture", "case"), ROWS, ids=row_id)
def test_the_card_is_the_one_that_was_looked_at(fixture: str, case: Case) -> None:
    assert golden_cards.card(fixture, case) == golden_cards.known(case.format)[golden_cards.title(fixture, case)]


@pytest.mark.parametrize(("fixture", "case"), [row for row in ROWS if row[1].warned], ids=row_id)
def test_traps_are_flagged(fixture: str, case: Case) -> None:
    warnings = load_dictionary(FIXTURES / fixture / case.place, **case.arguments).card.warnings
    assert any(case.warned in sentence for sentence in warnings)


@pytest.mark.parametrize("place", REFUSED)
@pytest.mark.parametrize("strict", [True, False])
def test_python_objects_are_refused(place: str, strict: bool) -> None:
    with pytest.raises(DictionaryError, match=r"Python objects .* run code.*save_file"):
        load_dictionary(FIXTURES / place, "resid_post.0", strict=strict)


def places() -> list[Path]:
    """Every folder and every weights file of every fixture."""
    found = sorted(FIXTURES.rglob("*")) if FIXTURES.is_dir() else []
    return [path for path in found if path.is_dir() or (path.suffix in SUFFIXES and path.name != "expected.npz")]


@pytest.mark.parametrize("place", places(), ids=lambda path: str(path.relative_to(FIXTURES)))
def test_no_two_formats_claim_the_same_files(place: Path) -> None:
    claims = {module.NAME for module in _FORMATS if module.matches(Files(place, place.name))}
    assert claims <= {case.format for case in CASES[place.relative_to(FIXTURES).parts[0]]}
