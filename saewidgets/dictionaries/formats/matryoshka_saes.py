"""Matryoshka SAEs of Noa Nabeshima: one `.pt` state dict, no config.

Keys: `W_enc [d_in, d_dict]`, `W_dec [d_dict, d_in]`, `b_enc`, `b_dec`, `normalizer.running_avg [1]` (mean norm of the
inputs, a), and `sq_act_running_avg [d_dict]`, which is bookkeeping of the training.

```
h      = (x √d_in / a) W_enc + b_enc
f      = relu(h) · |W_dec| · a / √d_dict
output = (relu(h) W_dec + b_dec) · a / √d_in
```

The authors' activations are divided by √d_dict, not √d_in (their code takes the last dimension of the activations):
they are smaller than what is written by √(d_dict / d_in). `unit_norm()` gives activations on the scale of the input.

Example:
    `load_dictionary("matryoshka.pt", site="resid_post.3")`
"""

from __future__ import annotations

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats import orient, values
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.norm import Norm
from saewidgets.errors import DictionaryError

NAME = "matryoshka_saes"
_AVERAGE = "normalizer.running_avg"
_TENSORS = frozenset({"W_enc", "W_dec", "b_enc", "b_dec", _AVERAGE})


def matches(files: Files) -> bool:
    """Whether a torch file has the five tensors."""
    name = files.weights(".pt")
    return name is not None and files.keys(name) >= _TENSORS


def read(files: Files, questions: Questions) -> Dictionary:
    """Read a Matryoshka SAE on its authors' scale.

    Raises:
        DictionaryError: Damaged, never trained, or nobody says where it reads.
    """
    name = files.weights(".pt")
    if name is None:
        raise DictionaryError("A Matryoshka SAE is one .pt file.", "Name the file.")
    tensors = files.tensors(name)
    orient.require(tensors, name, _TENSORS, frozenset({"sq_act_running_avg"}))
    b_enc = tensors["b_enc"]
    W_enc = orient.encoder(tensors["W_enc"], len(b_enc))
    W_dec = orient.decoder(tensors["W_dec"], len(b_enc))
    d_in, d_dict = W_enc.shape
    average = values.positive(tensors[_AVERAGE], _AVERAGE)
    factor = questions.settle("norm factor", "norm_factor", d_in**0.5 / average, f"{name}: {_AVERAGE}")
    factor = values.positive(factor, "norm_factor")
    questions.define(activation="relu", bias="b_dec is not subtracted", decoder_norm="multiplies activations")
    questions.define(scale="the authors', divided by sqrt(d_dict / d_in)")
    site = questions.site("site")
    norms = orient.row_norms(W_dec)
    unit = (d_in / d_dict) ** 0.5 / factor  # a / sqrt(d_dict)
    return FeedForward(
        W_enc,
        W_dec,
        b_enc,
        tensors["b_dec"].float() / factor,
        Activation("relu"),
        site,
        site,
        norm=Norm("factor", factor),
        value_scale=norms * unit,
        row_scale=1 / (norms.clamp(min=1e-30) * unit * factor),
        architecture="matryoshka",
        card=questions.card(NAME),
    )
