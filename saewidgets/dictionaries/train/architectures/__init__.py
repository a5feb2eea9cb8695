"""One file for each architecture: `initial`, `loss`, `finish` (see `saewidgets.dictionaries.train.core`)."""

from saewidgets.dictionaries.train.architectures import (
    aligned,
    batchtopk,
    feature_choice,
    gated,
    jumprelu,
    matryoshka,
    p_anneal,
    prolu,
    relu,
    switch,
    topk,
)
from saewidgets.dictionaries.train.core import Architecture
from saewidgets.dictionaries.train.plan import TrainingPlan

ARCHITECTURES: dict[str, Architecture] = {
    "relu": relu,
    "gated": gated,
    "topk": topk,
    "batchtopk": batchtopk,
    "matryoshka": matryoshka,
    "feature_choice": feature_choice,
    "jumprelu": jumprelu,
    "p_anneal": p_anneal,
    "prolu": prolu,
    "switch": switch,
}


def architecture_of(plan: TrainingPlan) -> Architecture:
    """The functions that train what a plan asks for."""
    architecture = ARCHITECTURES[plan.architecture]
    return aligned.Aligned(architecture) if plan.copies > 1 else architecture
