"""What a feature means: explanations from its inputs and its outputs, labels, and how far a label can be trusted.

Every function takes a scope, feature ids and plain contexts (texts, or rows of token ids); what is judged are plain
examples (tokens with activations), wherever they come from.

    >>> import saewidgets as sw
    >>> sw.explain.prune(sw.demo(), "mlp_in.0/23", "Tom and Mira came home in May.", alternatives=0).pattern
    'May'
"""

from saewidgets.explain.decoder_map import decoder_map
from saewidgets.explain.evidence import Evidence, common_tokens, detection_prompt, fuzzing_prompt, gather, suggest
from saewidgets.explain.examples import Example, max_activating, try_text
from saewidgets.explain.imports import read_csv, read_neuronpedia
from saewidgets.explain.influence import Influence, influence
from saewidgets.explain.judges import word_judge
from saewidgets.explain.labels import Label, by_feature, load_labels, save_labels
from saewidgets.explain.mutual_information import MutualInformation, mutual_information
from saewidgets.explain.pruned import Pruned, prune, pruned_max_activating
from saewidgets.explain.quiz import Key, Sheet, blind_quiz, grade
from saewidgets.explain.scores import Scores, concept_scores, input_score, input_share, output_score, scores
from saewidgets.explain.steered import steered_texts
from saewidgets.explain.targets import Probability, Target
from saewidgets.explain.token_change import TokenChange, token_change
from saewidgets.explain.token_effects import TokenEffects, token_effects
from saewidgets.explain.truth import Meter, TruthMeter, judge_examples, truth_meter
from saewidgets.explain.vocabulary import VocabularyProjection, vocabulary_projection

__all__ = [
    "Evidence", "Example", "Influence", "Key", "Label", "Meter", "MutualInformation", "Probability", "Pruned",
    "Scores", "Sheet", "Target", "TokenChange", "TokenEffects", "TruthMeter", "VocabularyProjection", "blind_quiz",
    "by_feature", "common_tokens", "concept_scores", "decoder_map", "detection_prompt", "fuzzing_prompt", "gather",
    "grade", "influence", "input_score", "input_share", "judge_examples", "load_labels", "max_activating",
    "mutual_information", "output_score", "prune", "pruned_max_activating", "read_csv", "read_neuronpedia",
    "save_labels", "scores", "steered_texts", "suggest", "token_change", "token_effects", "truth_meter", "try_text",
    "vocabulary_projection", "word_judge",
]  # fmt: skip
