"""Training dictionaries from activations: one loop, one file for each architecture.

`saewidgets.training` streams the activations from a model.
"""

from saewidgets.dictionaries.train.examples import Example
from saewidgets.dictionaries.train.plan import TrainingPlan
from saewidgets.dictionaries.train.source import Probe, Source, TensorSource
from saewidgets.dictionaries.train.trainer import Snapshot, Trainer

__all__ = ["Example", "Probe", "Snapshot", "Source", "Trainer", "TrainingPlan", "TensorSource"]
