"""What the page about steering shows, run."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "steering.md").read_text()


def test_the_examples_of_the_page_run(capsys):
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "steering.md", "exec"), names)
    assert "direct" in capsys.readouterr().out
    base, edited = names["base"], names["edited"]
    assert base.difference(edited).kl.max() > 0
