"""What carries a behaviour: influence, ablation, patching, Shapley values, contrasts, each beside its control.

Every result is a frozen record with `.to_frame()`. Its numbers stand beside their controls, and say what happened to
the error term, what was computed anew, and how many prompts there were; `.verdict` is one sentence.

    >>> import saewidgets as sw
    >>> scope, prompt = sw.demo(), "The queen went home when"
    >>> sw.causes.ablation(scope, prompt, " she", dictionary="resid_post.1@small", top=1, controls=1, steps=1).verdict
    '1 of 1 features does more than every control.'
"""

from saewidgets.causes.ablation import Ablation, ablation
from saewidgets.causes.concept import Concept
from saewidgets.causes.concepts import ConceptBottleneck, concept_bottleneck
from saewidgets.causes.contrast import Contrast, contrast
from saewidgets.causes.controls import Conditions, random_like
from saewidgets.causes.curve import AblationCurve, ablation_curve
from saewidgets.causes.dose import DoseResponse, dose_response, dose_responses
from saewidgets.causes.noise import Noise
from saewidgets.causes.patching import PatchMap, patch_map
from saewidgets.causes.paths import PathEffect, path_patch
from saewidgets.causes.regions import regions
from saewidgets.causes.relevance import Template, relevance
from saewidgets.causes.shapley import Shapley, shapley

__all__ = [
    "Ablation", "AblationCurve", "Concept", "ConceptBottleneck", "Conditions", "Contrast", "DoseResponse", "Noise",
    "PatchMap", "PathEffect", "Shapley", "Template", "ablation", "ablation_curve", "concept_bottleneck", "contrast",
    "dose_response", "dose_responses", "patch_map", "path_patch", "random_like", "regions", "relevance", "shapley",
]  # fmt: skip
