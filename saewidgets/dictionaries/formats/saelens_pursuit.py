"""SAELens `matching_pursuit`: `W_dec [d_dict, d_in]` and `b_dec`; the encoder is the decoder.

The config gives `max_iterations` (null: d_in), `residual_threshold` and `stop_on_duplicate_support`. Where
`apply_b_dec_to_input` is false, `b_dec` is neither subtracted nor added.
"""

from __future__ import annotations

import torch
from torch import Tensor

from saewidgets.dictionaries.formats import orient, saelens_norms, values
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.formats.saelens_config import CONFIG, WEIGHTS, Config
from saewidgets.dictionaries.matching_pursuit import MatchingPursuit
from saewidgets.errors import DictionaryError, shorten


def read(files: Files, questions: Questions, config: Config, tensors: dict[str, Tensor]) -> MatchingPursuit:
    """Read a matching pursuit dictionary.

    Raises:
        DictionaryError: Damaged, a normalisation that is not read, or an open question.
    """
    orient.require(tensors, WEIGHTS, {"W_dec", "b_dec"})
    site, _ = config.sites(questions)
    subtract = config.subtracts(questions, transcoder=False)
    norm, whitening = saelens_norms.read(files, questions, config, tensors["b_dec"].numel())
    if whitening is not None:
        raise DictionaryError("A whitened matching pursuit is not read.", "Its encoder is tied to its decoder.")
    b_dec = tensors["b_dec"] if subtract else torch.zeros_like(tensors["b_dec"])
    steps = config.fields.get("max_iterations", len(b_dec))
    residual = config.fields.get("residual_threshold", 1e-2)
    stop = config.fields.get("stop_on_duplicate_support", True)
    questions.note("stops", f"after {shorten(steps)} steps, or below {shorten(residual)}", f"{CONFIG}: max_iterations")
    return MatchingPursuit(
        tensors["W_dec"],
        b_dec,
        values.count(steps, "max_iterations"),
        site,
        residual_threshold=values.number(residual, "residual_threshold"),
        stop_on_duplicate_support=stop,
        norm=norm,
        card=questions.card("saelens"),
    )
