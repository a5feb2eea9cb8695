"""Attention-output SAEs of Connor Kissane and Rob Krzyzanowski (2406.17759): `<run>.pt` beside `<run>_cfg.json`.

Keys: `W_enc [d_in, d_dict]`, `W_dec [d_dict, d_in]`, `b_enc`, `b_dec`. The config gives the hook (`act_name`), the
widths (`act_size`, `dict_size`) and what the training was like.

```
f      = relu((x - b_dec) W_enc + b_enc)
output = f W_dec + b_dec
```

* Those of `blocks.5.attn.hook_z` read the heads' outputs side by side, before the output projection: `attn_z.5`.
* Nothing is normalised; decoder rows have unit norm as far as the training kept it.

Example:
    `load_dictionary("gpt2-small_L5_Hcat_z_lr1.20e-03_l11.00e+00_ds49152_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9.pt")`
"""

from __future__ import annotations

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats import orient
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.errors import DictionaryError

NAME = "ckkissane_attn"
_TENSORS = frozenset({"W_enc", "W_dec", "b_enc", "b_dec"})


def matches(files: Files) -> bool:
    """Whether a torch file has exactly the four tensors, and a config of its own name beside it."""
    name = files.weights(".pt")
    return name is not None and files.has(_config(name)) and files.keys(name) == _TENSORS


def read(files: Files, questions: Questions) -> Dictionary:
    """Read an attention-output SAE.

    Raises:
        DictionaryError: Damaged, another format, or the config does not name a place.
    """
    name = files.weights(".pt")
    if name is None:
        raise DictionaryError("An attention SAE is one .pt file.", "Name the file.")
    config_name = _config(name)
    config = files.json(config_name) if files.has(config_name) else {}
    tensors = files.tensors(name)
    orient.require(tensors, name, _TENSORS)
    b_enc, b_dec = tensors["b_enc"], tensors["b_dec"]
    site = questions.site("site", config.get("act_name"), f"{config_name}: act_name")
    questions.define(activation="relu", bias="b_dec is subtracted", input_norm="none", decoder_norm="not used")
    return FeedForward(
        orient.encoder(tensors["W_enc"], len(b_enc)),
        orient.decoder(tensors["W_dec"], len(b_enc)),
        b_enc,
        b_dec,
        Activation("relu"),
        site,
        site,
        b_in=b_dec,
        architecture="standard",
        card=questions.card(NAME),
    )


def _config(name: str) -> str:
    return f"{name.removesuffix('.pt')}_cfg.json"
