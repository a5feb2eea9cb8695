"""Goodfire's SAEs for Llama 3: one `.pth` or `.pt` state dict without a config.

Keys: `encoder_linear.weight [d_dict, d_in]`, `encoder_linear.bias`, `decoder_linear.weight [d_in, d_dict]`,
`decoder_linear.bias`. The layer stands in the name of the file or repository, `…-SAE-l19.pth`; the dictionary reads the
residual stream after that block. Of a renamed file, pass `site`.

```
f      = relu(x W_enc + b_enc)          (b_dec is not subtracted)
output = f W_dec + b_dec
```

Example:
    `load_dictionary("hub:Goodfire/Llama-3.1-8B-Instruct-SAE-l19")`
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats import orient
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.errors import DictionaryError, shorten

NAME = "goodfire"
_TENSORS = frozenset({"encoder_linear.weight", "encoder_linear.bias", "decoder_linear.weight", "decoder_linear.bias"})
_LAYER = re.compile(r"SAE-l(\d{1,4})(?!\d)")


def matches(files: Files) -> bool:
    """Whether a torch file has the four tensors, and nothing else."""
    return files.keys(_name(files) or "") == _TENSORS


def read(files: Files, questions: Questions) -> Dictionary:
    """Read an SAE of Goodfire.

    Raises:
        DictionaryError: Damaged, another format, or nobody says where it reads.
    """
    name = _name(files)
    if name is None:
        raise DictionaryError("An SAE of Goodfire is one .pth or .pt file.", "Name the file.")
    return linear_pair(files, questions, name, "encoder_linear", "decoder_linear", NAME)


def linear_pair(files: Files, questions: Questions, name: str, encoder: str, decoder: str, format: str) -> Dictionary:
    """Two `nn.Linear` with a ReLU between them, the layer in the name.

    Args:
        files: Where they are.
        questions: The conventions.
        name: Of the torch file.
        encoder: What the keys of the encoder begin with.
        decoder: What the keys of the decoder begin with.
        format: Name of the format.

    Raises:
        DictionaryError: Damaged, or nobody says where it reads.
    """
    tensors = files.tensors(name)
    orient.require(tensors, name, {f"{part}.{key}" for part in (encoder, decoder) for key in ("weight", "bias")})
    b_enc = tensors[f"{encoder}.bias"]
    found = _site((name, *files.trail))
    site = questions.site("site", found[0] if found else None, f"name of {shorten(found[1])}" if found else "")
    questions.define(activation="relu", bias="b_dec is not subtracted", input_norm="none", decoder_norm="not used")
    return FeedForward(
        orient.encoder(tensors[f"{encoder}.weight"], len(b_enc), transposed=True),
        orient.decoder(tensors[f"{decoder}.weight"], len(b_enc), transposed=True),
        b_enc,
        tensors[f"{decoder}.bias"],
        Activation("relu"),
        site,
        site,
        card=questions.card(format),
    )


def _site(trail: Iterable[str]) -> tuple[str, str] | None:
    """The place and the name that says it, nearest first."""
    for part in trail:
        layer = _LAYER.search(part)
        if layer:
            return f"resid_post.{int(layer[1])}", part
    return None


def _name(files: Files) -> str | None:
    return files.weights(".pth") or files.weights(".pt")
