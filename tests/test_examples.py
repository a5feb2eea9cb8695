"""Every example in a docstring runs, on the embedded model where it needs one."""

import doctest
import importlib
import pkgutil

import pytest

import saewidgets

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(saewidgets.__path__, "saewidgets.")
    if not module.name.startswith("saewidgets.static")
)


def examples() -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = []
    for name in MODULES:
        module = importlib.import_module(name)
        found += [t for t in finder.find(module, name, module) if t.examples]
    return found


@pytest.mark.parametrize("example", examples(), ids=lambda test: test.name)
def test_the_example_runs(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert runner.run(example, out=output.append).failed == 0, "".join(output)


def test_an_example_that_is_wrong_is_noticed():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(wrong, out=lambda _: None).failed == 1


@pytest.mark.parametrize("name", [n for n in saewidgets.__all__ if n not in ("__version__", "demo", "errors", "Run")])
def test_every_public_function_shows_an_example(name):
    doc = getattr(saewidgets, name).__doc__ or ""
    assert ">>>" in doc or name in ("Site", "FeatureId"), f"{name} has no example"
