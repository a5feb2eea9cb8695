"""What docs/training.md tells a user to type, typed."""

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

from saewidgets.dictionaries.train import TrainingPlan
from saewidgets.dictionaries.train.plan import ArchitectureName
from saewidgets.training.train import _SHAPES

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text()


def test_the_examples_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "training.md", "exec"), names)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["20", "40", "60"]
    assert names["trainer"].state.step == 40
    assert (tmp_path / "my-sae").exists()


def test_the_table_names_every_architecture_and_no_other():
    table = PAGE.split("## Architectures")[1].split("##")[0]
    named = re.findall(r'^\| `"(\w+)"`', table, re.MULTILINE)
    assert sorted(named) == sorted([*get_args(ArchitectureName), *_SHAPES])


def test_options_on_the_page_exist():
    tables = PAGE.split("## Strategies")[1].split("## Which")[0]
    first = [row.split("|")[1] for row in tables.splitlines() if row.startswith("| `")]
    named = {name for cell in first for name in re.findall(r"`(\w+)(?:[=`])|, (\w+)=", cell) for name in name if name}
    assert {"copies", "align", "resample", "ghost", "underused", "buffer"} <= named
    assert named <= {field.name for field in fields(TrainingPlan)} | {"start"}
