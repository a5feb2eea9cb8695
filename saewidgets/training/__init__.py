"""Training dictionaries on what a model does: streams of activations, whole strategies, texts with known structure."""

from saewidgets.training.languages import Sentence, sentences
from saewidgets.training.layers import angular_distances, cluster, train_layer_groups
from saewidgets.training.related import related
from saewidgets.training.train import make_trainer, resume_training, train_dictionary

__all__ = [
    "Sentence", "angular_distances", "cluster", "make_trainer", "related", "resume_training", "sentences",
    "train_dictionary", "train_layer_groups",
]  # fmt: skip
