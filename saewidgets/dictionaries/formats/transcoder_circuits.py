"""MLP transcoders of Jacob Dunefsky (2406.11944): a `.pt` file with a `state_dict`, or its tensors as safetensors.

Keys: `W_enc [d_in, d_dict]`, `W_dec [d_dict, d_out]`, `b_enc`, `b_dec [d_in]`, `b_dec_out [d_out]`. The published
files also hold their config as a Python object, so they are refused; save the tensors of their `state_dict` again, as
the refusal says. The hook stands in their name, `…_blocks.8.ln2.hook_normalized_24576.pt`; of a file with another
name, pass `site`.

```
f      = relu((x - b_dec) W_enc + b_enc)
output = f W_dec + b_dec_out
```

* `b_dec` **is** subtracted, unlike in other transcoders, and what is added is `b_dec_out`.
* They write what is added to the residual stream: `mlp_out` of the same layer.
* They read what the MLP reads, `ln2.hook_normalized` of a TransformerLens model whose layer norms are folded: without
  the weight and bias of the norm, which a Hugging Face model applies.

Example:
    `load_dictionary("final_sparse_autoencoder_gpt2-small_blocks.8.ln2.hook_normalized_24576.safetensors")`
"""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats import orient, torchfile
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.errors import DictionaryError, shorten

NAME = "transcoder_circuits"
_TENSORS = frozenset({"W_enc", "W_dec", "b_enc", "b_dec", "b_dec_out"})
_STATE = "state_dict"
_HOOK = re.compile(r"_(blocks\.\d{1,4}\.(?:[a-z0-9]+\.)?hook_[a-z_]+)_\d+\.")


def matches(files: Files) -> bool:
    """Whether a file has the five tensors, at the top or in its `state_dict`."""
    name = _name(files)
    if name is None:
        return False
    keys = files.keys(name)
    if keys != {_STATE}:
        return keys == _TENSORS
    try:
        return _inner(files, name).keys() == _TENSORS
    except DictionaryError:  # damaged; reading it says how
        return True


def read(files: Files, questions: Questions) -> Dictionary:
    """Read an MLP transcoder.

    Raises:
        DictionaryError: Damaged, another format, or nobody says where it reads.
    """
    name = _name(files)
    if name is None:
        raise DictionaryError("A transcoder is one .pt or .safetensors file.", "Name the file.")
    nested = not name.endswith(".safetensors") and _STATE in files.peek(name)
    tensors = _inner(files, name) if nested else files.tensors(name)
    if nested:
        files.read.append(files.folder / name)
    orient.require(tensors, name, _TENSORS)
    b_enc = tensors["b_enc"]
    hook = _HOOK.search(name)
    site = questions.site(
        "site", hook[1] if hook else None, f"name of {shorten(name)}", "mlp_in.0", "it replaces an MLP"
    )
    site_out = questions.site("site_out", f"mlp_out.{site.layer}", "by format: what the MLP adds")
    questions.define(activation="relu", bias="b_dec is subtracted, b_dec_out added", input_norm="none")
    questions.define(decoder_norm="not used")
    questions.warn(
        "It was trained in TransformerLens, which folds the weight and bias of the norm before the MLP into the MLP. "
        "Give it the normalised activations without them."
    )
    return FeedForward(
        orient.encoder(tensors["W_enc"], len(b_enc)),
        orient.decoder(tensors["W_dec"], len(b_enc)),
        b_enc,
        tensors["b_dec_out"],
        Activation("relu"),
        site,
        site_out,
        b_in=tensors["b_dec"],
        architecture="transcoder",
        card=questions.card(NAME),
    )


def _name(files: Files) -> str | None:
    return files.weights(".pt") or files.weights(".safetensors")


def _inner(files: Files, name: str) -> dict[str, Tensor]:
    """What stands under `state_dict`, nothing where it is no dict of tensors."""
    state: Any = torchfile.load_entries(files.folder / name).get(_STATE)
    found = state if isinstance(state, dict) else {}
    return {str(key): value for key, value in found.items() if isinstance(value, Tensor)}
