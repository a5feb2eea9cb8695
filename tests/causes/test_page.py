"""What the page about causes shows, run."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "causes.md").read_text()


@pytest.mark.timeout(900)
def test_the_examples_of_the_page_run():
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "causes.md", "exec"), names)
    assert names["found"].to_frame()["feature"].iloc[0] == "resid_post.1@small/99"
    assert abs(names["report"].gap) < 1e-3 and "features" in names["report"].paragraph()
    assert names["where"]["fact"] == (1, 2, 3, 4)
    assert names["apart"].to_frame()["auroc"].iloc[0] in (0.0, 1.0)
    assert not names["apart"].confounds().set_index("confound").loc["token count", "flagged"]
    assert names["view"].payload.verdict.startswith("7 of 96")
    assert names["shown"].payload.bottleneck.correction.answer == "negative"
    assert [r.name for r in names["stages"].payload.regions] == ["fact", "question"]
    run = names["scope"].run(names["texts"][0], names["edits"])
    assert names["scope"].run(names["texts"][0]).difference(run).kl.max() > 0
