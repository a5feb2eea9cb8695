"""What docs/atlas.md tells a user to type, typed."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from saewidgets.atlas import cost, manifest, store
from saewidgets.atlas.limits import Limits

PAGE = (Path(__file__).parents[2] / "docs" / "atlas.md").read_text()


def test_the_examples_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    alone = [block for block in blocks if "Client" not in block]
    assert (len(blocks), len(alone)) == (5, 2)
    names: dict[str, object] = {}
    for block in alone:
        exec(compile(block, "atlas.md", "exec"), names)
    assert names["atlas"].sites == ("resid_post.2", "resid_post.1@small")  # type: ignore[attr-defined]


def test_cluster_examples_compile() -> None:
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        compile(block, "atlas.md", "exec")


def test_numbers_on_the_page_are_those_of_the_code() -> None:
    limits = Limits()
    assert f"| {limits.top} strongest examples" in PAGE and f"| {limits.random} random examples" in PAGE
    assert f"| {limits.interval} random examples of each octave" in PAGE and f"over {limits.shared:,} tokens" in PAGE
    named = set(re.findall(r"(\w+)=…", PAGE))
    assert named and named <= {field.name for field in fields(Limits)}
    assert f"{manifest._FIRST:,} tokens, then twice" in PAGE and f"up to {manifest._LAST:,}" in PAGE
    assert f"blocks of {store.BLOCK:,}\nfeatures" in PAGE and f"Each of the {-(-(10**6) // store.BLOCK)} blocks" in PAGE
    assert f"64 × {1e6 * cost._STATISTICS:.0f} µs" in PAGE
