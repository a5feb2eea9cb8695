"""A sweep: its numbers against brute force on the embedded model, what may be added to it, and what it refuses."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats as reference

import saewidgets as sw
from saewidgets.atlas.atlas import Atlas
from saewidgets.corpus import Corpus
from saewidgets.dictionaries import Activation
from saewidgets.errors import AtlasError, FeatureError
from tests.atlas.tiny import LIMITS, SITES, TableModel, dictionaries, dictionary, fingerprints, rows, run

TEXTS = [
    "When Mira and Tom came to the pond, Tom gave the red lantern to Mira.",
    "Mira saw a red boat.",
    "Tom took the lantern (the old one) to the pond.",
] * 40
KEYS = ["resid_post.1@small", "resid_post.2"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    return sw.demo().sweep(TEXTS, KEYS, tmp_path_factory.mktemp("swept") / "atlas", length=32, progress=False)


@torch.no_grad()
def dense_of(key: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Activations `[contexts, 32, d_dict]` by plain calls, ids, and the mask."""
    scope = sw.demo()
    batch = next(Corpus(TEXTS, scope.model.tokenizer, 32).batches(10_000))
    dictionary = scope.dictionaries[key]
    values = scope.model.trace(torch.tensor(batch.ids), [dictionary.site_in], logits=False).values
    return dictionary.encode(values[dictionary.site_in]).numpy(), batch.ids, batch.mask


@pytest.mark.parametrize("key", KEYS)
def test_statistics_are_those_of_brute_force(swept: Atlas, key: str) -> None:
    dense, _, mask = dense_of(key)
    tokens = dense[mask].astype(np.float64)
    frame = swept.stats(key)
    assert swept.n_tokens(key) == len(tokens) == frame["n_tokens"].iloc[0]
    np.testing.assert_array_equal(frame["n_active"], (tokens != 0).sum(0))
    np.testing.assert_allclose(frame["density"], (tokens != 0).mean(0))
    for feature in range(tokens.shape[1]):
        on, row = tokens[tokens[:, feature] != 0, feature], frame.loc[feature]
        if not len(on):
            assert row[["mean", "std", "maximum"]].isna().all()
            continue
        np.testing.assert_allclose([row["mean"], row["std"]], [on.mean(), on.std()], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose([row["maximum"], row["minimum"]], [on.max(), on.min()], rtol=1e-4)
        if on.std() > 1e-2 * abs(on.mean()):
            np.testing.assert_allclose(row["skew"], reference.skew(on), rtol=1e-2, atol=1e-2)
            np.testing.assert_allclose(row["kurtosis"], reference.kurtosis(on), rtol=1e-2, atol=1e-2)


def test_examples_show_the_text_they_are_of(swept: Atlas) -> None:
    key = KEYS[1]
    dense, ids, mask = dense_of(key)
    feature = int(swept.stats(key)["n_active"].idxmax())
    found = swept.feature(f"{key}/{feature}")
    examples = found.examples
    assert {"top", "random"} < set(examples["group"])
    strings = sw.demo().run(TEXTS[0]).vocabulary.strings
    for example in examples.itertuples():
        values = np.where(mask, dense[..., feature], 0)[example.context]
        np.testing.assert_allclose(example.activations, values, rtol=1e-4, atol=1e-5)
        assert list(example.tokens) == strings(ids[example.context].tolist())
        np.testing.assert_allclose(example.activation, values[example.position], rtol=1e-4)
    on = np.where(mask, dense[..., feature], 0)
    np.testing.assert_allclose(examples["activation"].iloc[0], on.max(), rtol=1e-4)
    token, count = np.unique(ids[on != 0], return_counts=True)
    best = found.fires_on.iloc[0]
    assert best["count"] == count.max() and count[token == best["id"]] == count.max()
    assert found.histogram["count"].sum() == found.n_active == (on != 0).sum()


def test_coactive_features_are_those_of_brute_force(swept: Atlas) -> None:
    mine, other = (dense_of(key)[0][dense_of(key)[2]] != 0 for key in KEYS)
    feature = int(mine.sum(0).argmax())
    found = swept.feature(f"{KEYS[0]}/{feature}").coactive(KEYS[1], n=3)
    both = (mine[:, [feature]] & other).sum(0)
    jaccard = both / np.maximum((mine[:, [feature]] | other).sum(0), 1)
    # The sample holds all of these few tokens.
    np.testing.assert_allclose(found["jaccard"], np.sort(jaccard)[::-1][:3])
    np.testing.assert_array_equal(found["both"], [both[int(f.split("/")[1])] for f in found["feature"]])
    assert f"{KEYS[0]}/{feature}" not in set(swept.feature(f"{KEYS[0]}/{feature}").coactive()["feature"])


def test_no_number_depends_on_what_else_is_swept(tmp_path: Path) -> None:
    run(tmp_path / "both")
    for site in SITES:
        run(tmp_path / "one", dictionaries={str(site): dictionaries()[str(site)]})
    both, one = fingerprints(tmp_path / "both"), fingerprints(tmp_path / "one")
    assert both == one


def test_more_text_gives_what_all_of_it_gives(tmp_path: Path) -> None:
    for n in (10, 90, 200):
        run(tmp_path / "grown", n)
    run(tmp_path / "whole", 200)
    assert fingerprints(tmp_path / "grown") == fingerprints(tmp_path / "whole")


def test_padding_may_become_text(tmp_path: Path) -> None:
    scope = sw.demo()
    for n in (3, 50, 120):
        scope.sweep(TEXTS[:n], KEYS[:1], tmp_path / "grown", length=32, progress=False)
    scope.sweep(TEXTS, KEYS[:1], tmp_path / "whole", length=32, progress=False)
    assert fingerprints(tmp_path / "grown") == fingerprints(tmp_path / "whole")


def test_another_dictionary_may_see_less_text(tmp_path: Path) -> None:
    run(tmp_path / "store", 200, dictionaries=dictionaries(1))
    second = {"resid_post.1": dictionaries()["resid_post.1"]}
    atlas = run(tmp_path / "store", 30, dictionaries=second)
    assert atlas.n_tokens("resid_post.0") > atlas.n_tokens("resid_post.1") > 0
    assert len(atlas.feature("resid_post.0/3").examples) > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": TableModel(seed=9)}, "another model"),
        ({"corpus": Corpus(rows(200, seed=3))}, "other text"),
        ({"n": 10}, "more text"),
        ({"per_pass": 3}, "per_pass"),
        ({"per_pass": 0}, "per_pass"),
        ({"limits": dataclasses.replace(LIMITS, top=9)}, "limits"),
        ({"corpus": Corpus(rows()[:, :100])}, "length"),
        ({"dictionaries": {"resid_post.0": dictionary(SITES[0], 77)}}, "another dictionary"),
    ],
)
def test_what_does_not_fit_changes_nothing(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    run(tmp_path / "store")
    before = fingerprints(tmp_path / "store")
    with pytest.raises(AtlasError, match=message):
        run(tmp_path / "store", **options)
    assert fingerprints(tmp_path / "store") == before


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(AtlasError, match="something else"):
        run(tmp_path)
    with pytest.raises(AtlasError, match=r"atlas\.json"):
        Atlas.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_cannot_be_counted_is_refused(tmp_path: Path) -> None:
    batch = dataclasses.replace(dictionary(SITES[0]), activation=Activation("batchtopk", k=3))
    with pytest.raises(AtlasError, match="depends on the batch"):
        run(tmp_path / "a", dictionaries={"resid_post.0": batch})
    broken = TableModel()
    broken.module.weight.data[5] = float("nan")
    with pytest.raises(AtlasError, match="not finite"):
        run(tmp_path / "b", model=broken)


def test_questions_without_an_answer(swept: Atlas) -> None:
    with pytest.raises(AtlasError, match=r"resid_post\.7"):
        swept.stats("resid_post.7")
    with pytest.raises(FeatureError, match="99999"):
        swept.feature("resid_post.2/99999")


def test_a_dead_feature_has_an_empty_page(tmp_path: Path) -> None:
    dead = dataclasses.replace(dictionary(SITES[0]), b_enc=torch.full((40,), -100.0))
    atlas = run(tmp_path / "store", dictionaries={"resid_post.0": dead})
    found = atlas.feature("resid_post.0/3")
    assert found.n_active == 0 and len(found.examples) == len(found.histogram) == len(found.coactive()) == 0
    assert atlas.stats("resid_post.0")["n_active"].sum() == 0


def test_reading_needs_no_torch(tmp_path: Path) -> None:
    run(tmp_path / "store")
    code = (
        "import sys, saewidgets as sw\n"
        f"atlas = sw.Atlas.open({str(tmp_path / 'store')!r})\n"
        "atlas.stats('resid_post.0'), atlas.feature('resid_post.0/3').examples\n"
        "assert not {'torch', 'nnsight', 'transformers'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_cluster_writes_the_same_bytes_though_a_worker_dies(tmp_path: Path) -> None:
    code = Path(__file__).parent / "cluster.py"
    done = subprocess.run(
        [sys.executable, str(code), str(tmp_path)], capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "killed a worker" in done.stdout
    assert fingerprints(tmp_path / "cluster") == fingerprints(tmp_path / "alone")
