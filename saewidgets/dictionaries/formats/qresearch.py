"""SAEs of qresearch for DeepSeek-R1 distillates: one `.pt` state dict in bfloat16, without a config.

Keys: `encoder.weight [d_dict, d_in]`, `encoder.bias`, `decoder.weight [d_in, d_dict]`, `decoder.bias`. The layer may
stand in the name of the file or repository, `…-SAE-l19.pt`; otherwise pass `site`. dictionary_learning writes the same
keys for its `AutoEncoderNew`, beside a config with a `trainer`; such a file is read as one of those.

```
f      = relu(x W_enc + b_enc)          (b_dec is not subtracted)
output = f W_dec + b_dec
```

Example:
    `load_dictionary("sae.pt", site="resid_post.19")`
"""

from __future__ import annotations

from saewidgets.dictionaries.formats import dictionary_learning
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.goodfire import linear_pair
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.errors import DictionaryError

NAME = "qresearch"
_TENSORS = frozenset({"encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"})


def matches(files: Files) -> bool:
    """Whether a torch file has the four tensors, nothing else, and no config of dictionary_learning."""
    return files.keys(files.weights(".pt") or "") == _TENSORS and not dictionary_learning.matches(files)


def read(files: Files, questions: Questions) -> Dictionary:
    """Read an SAE of qresearch.

    Raises:
        DictionaryError: Damaged, another format, or nobody says where it reads.
    """
    name = files.weights(".pt")
    if name is None:
        raise DictionaryError("An SAE of qresearch is one .pt file.", "Name the file.")
    return linear_pair(files, questions, name, "encoder", "decoder", NAME)
