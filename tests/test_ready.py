"""What a first widget needs is loaded after the cell that makes a scope, and not before; outside IPython never."""

import subprocess
import sys
from pathlib import Path

SHELL = """
import sys, threading
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
shell.history_manager.enabled = False
shell.run_cell("import saewidgets")
from saewidgets import ready

loaded = lambda: [name in sys.modules for name in ("matplotlib.figure", *ready.NEEDED)]
before = loaded()
shell.run_cell("import saewidgets.scope")
for thread in threading.enumerate():
    if thread.name == "saewidgets-ready":
        thread.join(120)
print(any(before), all(loaded()))
callbacks = shell.events.callbacks["post_run_cell"]
print(any(isinstance(callback, ready._After) for callback in callbacks))
"""
PLAIN = """
import sys
import saewidgets.scope

print("matplotlib" in sys.modules or "ipywidgets" in sys.modules)
"""


def said(code: str, home: Path) -> list[str]:
    env = {"IPYTHONDIR": str(home), "PYTHONPATH": str(Path(__file__).parents[1]), "HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_after_the_cell_with_a_scope(tmp_path: Path) -> None:
    assert said(SHELL, tmp_path) == ["False", "True", "False"]


def test_never_outside_ipython(tmp_path: Path) -> None:
    assert said(PLAIN, tmp_path) == ["False"]
