"""What ships: it loads offline and fast, and shows what the report card says."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from saewidgets.demo import report as card
from saewidgets.demo.concepts import Detector, score
from saewidgets.demo.load import ASSETS, load_demo, load_report
from saewidgets.demo.measure import quality
from saewidgets.demo.plants import GATES
from saewidgets.demo.tour import tour
from tests.effort import SECOND, cpu, effort

FOLDER = Path(str(ASSETS))
SITES = [f"resid_post.{layer}" for layer in range(4)]
TRANSCODERS = [f"mlp_in.{layer}" for layer in range(4)]


@pytest.fixture(scope="module")
def demo():
    return load_demo()


@pytest.fixture(scope="module")
def report():
    return load_report()


@pytest.fixture(scope="module")
def early():
    return load_demo("early")[0]


def test_everything_fits_into_twenty_megabytes_and_nothing_is_pickled():
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 20_000_000
    assert {path.suffix for path in files} <= {".safetensors", ".json"}


def test_transformers_reads_the_folder_as_it_is(demo):
    model = LlamaForCausalLM.from_pretrained(str(FOLDER / "model"))
    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(FOLDER / "model"))
    ids = torch.tensor([tokenizer("When Mira and Tom came to the pond, Tom gave the red lantern to").input_ids])
    assert model.dtype == torch.float32
    with torch.no_grad():
        assert torch.equal(model.eval()(input_ids=ids).logits, demo[0](input_ids=ids).logits)


def test_loading_is_quick():
    assert effort(cpu(load_demo)) < 3 * SECOND


def test_importing_the_room_brings_no_torch():
    code = "import sys, saewidgets.demo; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_there_is_a_dictionary_for_every_site(demo):
    dictionaries = demo[2]
    assert {*SITES, *TRANSCODERS} <= set(dictionaries)
    for key, dictionary in dictionaries.items():
        assert str(dictionary.site_in) == key.split("@")[0]
        assert str(dictionary.site_out) == str(dictionary.site_in).replace("mlp_in", "mlp_out")
        torch.testing.assert_close(dictionary.directions.norm(dim=1), torch.ones(dictionary.d_dict), atol=2e-3, rtol=0)


def test_behaviours_reach_the_bar(demo, early, report):
    model, tokenizer = demo[:2]
    measured = card.behaviours(model, tokenizer)
    assert measured == pytest.approx({row["name"]: row["accuracy"] for row in report["behaviours"]}, abs=0.021)
    assert sum(accuracy >= 0.95 for accuracy in measured.values()) >= 13
    induction = ["indirect object", "word induction", "nonsense-word induction"]
    assert min(measured[name] for name in induction) >= 0.95
    before = card.behaviours(early, tokenizer)
    assert max(before[name] for name in induction) <= 0.75, "the early checkpoint is the control"


@pytest.mark.parametrize("name", GATES)
def test_gate(demo, early, report, name):
    gate = GATES[name](*demo[:2])
    assert gate.passes
    assert gate.value == pytest.approx(report["plants"][name]["value"], abs=0.03)


def test_gates_fail_on_weights_without_the_plants(demo):
    shuffled = LlamaForCausalLM(demo[0].config).eval()
    torch.manual_seed(0)
    state = {
        name: value.flatten()[torch.randperm(value.numel())].view_as(value)
        for name, value in demo[0].state_dict().items()
    }
    shuffled.load_state_dict(state)
    shuffled.tie_weights()
    assert [name for name, gate in GATES.items() if gate(shuffled, demo[1]).passes] == []


@pytest.fixture(scope="module")
def sample(demo):
    return card.measuring_data(*demo[:2], "test sample", 24)


@pytest.mark.parametrize("key", SITES)
def test_main_dictionary(demo, report, sample, key):
    ids, data = sample
    stored = report["dictionaries"][key]
    measured = quality(demo[0], ids, demo[2][key], data[key], data[key])
    assert stored["trained"]["fvu"] <= 0.10
    assert min(stored["trained"]["recovered_zero"], stored["trained"]["recovered_mean"]) >= 0.98
    assert stored["trained"]["dead"] <= 0.01
    assert stored["trained"]["fvu"] < min(stored["random"]["fvu"], stored["linear"]["fvu"])
    assert measured.fvu == pytest.approx(stored["trained"]["fvu"], abs=0.02)
    assert measured.recovered_zero == pytest.approx(stored["trained"]["recovered_zero"], abs=0.02)


@pytest.mark.parametrize("key", TRANSCODERS)
def test_transcoder(demo, report, sample, key):
    ids, data = sample
    site_out = key.replace("mlp_in", "mlp_out")
    stored = report["dictionaries"][key]
    measured = quality(demo[0], ids, demo[2][key], data[key], data[site_out])
    assert stored["trained"]["fvu"] < min(stored["random"]["fvu"], stored["linear"]["fvu"])
    assert measured.fvu == pytest.approx(stored["trained"]["fvu"], abs=0.04)


def test_concepts(demo, report):
    """Three rows of the table again, from the third split."""
    passed = sorted((row for row in report["concepts"] if row["passes"]), key=lambda row: row["f1"])
    rows = [passed[0], passed[len(passed) // 2], passed[-1]]
    split = card.concept_splits(*demo[:2], tuple(row["concept"] for row in rows))[2]
    for column, row in enumerate(rows):
        key, index = row["feature"].rsplit("/", 1)
        f1 = score(Detector(key, int(index), row["threshold"], 0.0), demo[2], split, column).f1
        assert f1 == pytest.approx(row["f1"], abs=0.01)
        assert f1 >= card.F1_BAR
        assert f1 - row["random_f1"] >= card.RANDOM_MARGIN


def test_labels_name_features_that_passed(demo, report):
    stored = json.loads((FOLDER / "labels.json").read_text())
    chance = {row["concept"]: row["random_f1"] for row in report["concepts"]}
    assert len(stored) >= 18
    for feature, text in demo[3].items():
        key, index = feature.rsplit("/", 1)
        assert int(index) < demo[2][key].d_dict
        assert text == stored[feature]["label"]
        assert stored[feature]["f1"] >= card.F1_BAR
        assert stored[feature]["f1"] - chance[stored[feature]["concept"]] >= card.RANDOM_MARGIN - 0.001


def test_tour(demo, report):
    measured = tour(*demo[:3])
    for row, stored in zip(measured, report["tour"], strict=True):
        assert [row[key] for key in ("prompt", "next", "feature", "then")] == [
            stored[key] for key in ("prompt", "next", "feature", "then")
        ]
        assert row["after"] == pytest.approx(stored["after"], abs=0.02)
    assert report["tour"][0]["next"] == " Mira"
    flips = [row for row in report["tour"] if row["before"] >= 0.5 and row["then_after"] >= 0.5 > row["after"]]
    assert len(flips) >= 3


def test_the_report_card_is_what_the_report_says(report):
    page = Path(__file__).parents[2] / "docs" / "report-card.md"
    assert page.read_text() == card.render(report)


def test_the_page_does_not_give_the_hidden_rule_away(report):
    from saewidgets.demo.registers.forms import HIDDEN_CLOSING, ODD_FAREWELL

    assert not any(word in card.render(report) for word in (HIDDEN_CLOSING, ODD_FAREWELL))


def test_a_row_of_the_training_text_is_in_range(demo):
    from saewidgets.demo.corpus import training_rows

    rows = training_rows(demo[1], "train", 4, 64)
    assert rows.dtype == np.uint16
    assert (rows[:, 0] == demo[1].bos_token_id).all()
    assert rows.max() < demo[0].config.vocab_size
