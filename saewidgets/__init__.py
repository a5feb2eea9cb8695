"""Live widgets, figures and offline pages for sparse autoencoder features of language models.

    >>> import saewidgets as sw
    >>> scope = sw.demo()                                   # embedded model and dictionaries, no network
    >>> run = scope.run("Mira saw a red boat.")             # tokens, features, predictions
    >>> view = sw.TokenHeatmap(scope, "Mira saw a red boat.")   # the live widget
    >>> view.close()

The names below are looked up when they are first used (PEP 562): `import saewidgets` costs milliseconds, and
opening a saved picture never imports torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from saewidgets.ready import arrange as _arrange

__version__ = "0.1.0.dev0"

# Public name -> the module that defines it.
_HOMES = {
    # a model with its dictionaries
    "Scope": "saewidgets.scope",
    "load_dictionary": "saewidgets.dictionaries",
    "Dictionary": "saewidgets.dictionaries",
    "Run": "saewidgets.runs",
    # every feature over a corpus
    "Atlas": "saewidgets.atlas.atlas",
    # direct effects of features on each other
    "AttributionGraph": "saewidgets.circuits",
    # text, and dictionaries trained on what a model does with it
    "Corpus": "saewidgets.corpus",
    "train_dictionary": "saewidgets.training",
    "make_trainer": "saewidgets.training",
    "resume_training": "saewidgets.training",
    # edits
    "ablate": "saewidgets.interventions",
    "scale": "saewidgets.interventions",
    "clamp": "saewidgets.interventions",
    "steer": "saewidgets.interventions",
    "patch": "saewidgets.interventions",
    "Direction": "saewidgets.interventions",
    "Group": "saewidgets.interventions",
    "Head": "saewidgets.interventions",
    "Pattern": "saewidgets.interventions",
    # vectors to steer with
    "feature_direction": "saewidgets.runs.vectors",
    "difference_of_means": "saewidgets.runs.vectors",
    "fit_effects": "saewidgets.runs.effects",
    "targeted_direction": "saewidgets.runs.vectors",
    "guided_direction": "saewidgets.runs.vectors",
    # widgets
    "TokenHeatmap": "saewidgets.widgets",
    "TrainingMonitor": "saewidgets.widgets",
    "Frontier": "saewidgets.widgets",
    "DictionaryReport": "saewidgets.widgets",
    "Explorer": "saewidgets.widgets",
    "FeatureDashboard": "saewidgets.widgets",
    "FeatureTable": "saewidgets.widgets",
    "CircuitGraph": "saewidgets.widgets",
    "Steering": "saewidgets.widgets",
    "PatchMap": "saewidgets.widgets",
    "Compare": "saewidgets.widgets",
    "Contrast": "saewidgets.widgets",
    "open": "saewidgets.widgets",
    "link": "saewidgets.widgets.link",
    "Diary": "saewidgets.widgets.diary",
    # papers and pages
    "report": "saewidgets.export.report",
    "caption": "saewidgets.export.caption",
    "snippet": "saewidgets.export.caption",
    "figure_style": "saewidgets.figures.style",
    # names of places, and what can go wrong
    "Site": "saewidgets.sites",
    "FeatureId": "saewidgets.sites",
    "SaewidgetsError": "saewidgets.errors",
}
# Public names that are modules. `demo` and `evaluate` are rooms that can be called.
_MODULES = ("causes", "circuits", "demo", "errors", "evaluate", "explain")

__all__ = ["__version__", *_MODULES, *_HOMES]

if TYPE_CHECKING:  # for editors and type checkers; nothing here runs
    from saewidgets import causes as causes
    from saewidgets import circuits as circuits
    from saewidgets import errors as errors
    from saewidgets import explain as explain
    from saewidgets.atlas.atlas import Atlas as Atlas
    from saewidgets.circuits import AttributionGraph as AttributionGraph
    from saewidgets.corpus import Corpus as Corpus
    from saewidgets.demo import demo as demo
    from saewidgets.dictionaries import Dictionary as Dictionary
    from saewidgets.dictionaries import load_dictionary as load_dictionary
    from saewidgets.errors import SaewidgetsError as SaewidgetsError
    from saewidgets.evaluate import evaluate as evaluate
    from saewidgets.export.caption import caption as caption
    from saewidgets.export.caption import snippet as snippet
    from saewidgets.export.report import report as report
    from saewidgets.figures.style import figure_style as figure_style
    from saewidgets.interventions import Direction as Direction
    from saewidgets.interventions import Group as Group
    from saewidgets.interventions import Head as Head
    from saewidgets.interventions import Pattern as Pattern
    from saewidgets.interventions import ablate as ablate
    from saewidgets.interventions import clamp as clamp
    from saewidgets.interventions import patch as patch
    from saewidgets.interventions import scale as scale
    from saewidgets.interventions import steer as steer
    from saewidgets.runs import Run as Run
    from saewidgets.runs.effects import fit_effects as fit_effects
    from saewidgets.runs.vectors import difference_of_means as difference_of_means
    from saewidgets.runs.vectors import feature_direction as feature_direction
    from saewidgets.runs.vectors import guided_direction as guided_direction
    from saewidgets.runs.vectors import targeted_direction as targeted_direction
    from saewidgets.scope import Scope as Scope
    from saewidgets.sites import FeatureId as FeatureId
    from saewidgets.sites import Site as Site
    from saewidgets.training import make_trainer as make_trainer
    from saewidgets.training import resume_training as resume_training
    from saewidgets.training import train_dictionary as train_dictionary
    from saewidgets.widgets import CircuitGraph as CircuitGraph
    from saewidgets.widgets import Compare as Compare
    from saewidgets.widgets import Contrast as Contrast
    from saewidgets.widgets import DictionaryReport as DictionaryReport
    from saewidgets.widgets import Explorer as Explorer
    from saewidgets.widgets import FeatureDashboard as FeatureDashboard
    from saewidgets.widgets import FeatureTable as FeatureTable
    from saewidgets.widgets import Frontier as Frontier
    from saewidgets.widgets import PatchMap as PatchMap
    from saewidgets.widgets import Steering as Steering
    from saewidgets.widgets import TokenHeatmap as TokenHeatmap
    from saewidgets.widgets import TrainingMonitor as TrainingMonitor
    from saewidgets.widgets import open as open
    from saewidgets.widgets.diary import Diary as Diary
    from saewidgets.widgets.link import link as link


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"saewidgets.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'saewidgets' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value  # the next look-up does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


_arrange()
