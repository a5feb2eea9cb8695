"""End-to-end SAEs of Apollo Research (Braun et al. 2405.12241): `samples_400000.pt`, a state dict without config.

Keys, for each place that has an SAE: `<hook>.encoder.0.weight [d_dict, d_in]`, `<hook>.encoder.0.bias`,
`<hook>.decoder.weight [d_in, d_dict]`, `<hook>.decoder.bias`, with the name of the hook in TransformerLens, its dots
written as dashes (`blocks-6-hook_resid_pre`). A file with several places is asked by `site`.

```
f      = relu(x W_enc + b_enc)
output = f W_dec / |W_dec rows| + b_dec
```

* `b_dec` is not subtracted, nothing is normalised.
* The decoder's rows are divided by their norms when it runs; what is stored has not unit norm.

Example:
    `load_dictionary("samples_400000.pt")`
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats import orient
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.errors import DictionaryError, SiteError, shorten
from saewidgets.sites import Site

NAME = "e2e_sae"
_TENSORS = frozenset({"encoder.0.weight", "encoder.0.bias", "decoder.weight", "decoder.bias"})
# What torch.nn.functional.normalize divides by at least.
_TINY = 1e-12


def matches(files: Files) -> bool:
    """Whether a torch file has the four tensors under the names of hooks, and nothing else."""
    keys = files.keys(files.weights(".pt") or "")
    hooks = {key.partition(".")[0] for key in keys}
    return bool(keys) and keys == {f"{hook}.{tensor}" for hook in hooks for tensor in _TENSORS}


def read(files: Files, questions: Questions) -> Dictionary:
    """Read the end-to-end SAE of one place.

    Raises:
        DictionaryError: Damaged, another format, or there are several and nobody says which.
    """
    name = files.weights(".pt")
    if name is None:
        raise DictionaryError("End-to-end SAEs are one .pt file.", "Name the file.")
    tensors = files.tensors(name)
    hook = _hook(sorted({key.partition(".")[0] for key in tensors}), questions, name)
    own = {key.partition(".")[2]: value for key, value in tensors.items() if key.partition(".")[0] == hook}
    orient.require(own, name, _TENSORS)
    W_enc, W_dec, b_enc = _matrices(own)
    site = questions.site("site", hook.replace("-", "."), f"{name}: {hook}")
    questions.define(activation="relu", bias="b_dec is not subtracted", input_norm="none")
    questions.define(decoder_norm="divided by it when it runs")
    return FeedForward(
        W_enc,
        W_dec,
        b_enc,
        own["decoder.bias"],
        Activation("relu"),
        site,
        site,
        row_scale=1 / orient.row_norms(W_dec).clamp(min=_TINY),
        architecture="e2e",
        card=questions.card(NAME),
    )


def _matrices(tensors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    b_enc = tensors["encoder.0.bias"]
    W_enc = orient.encoder(tensors["encoder.0.weight"], len(b_enc), transposed=True)
    return W_enc, orient.decoder(tensors["decoder.weight"], len(b_enc), transposed=True), b_enc


def _hook(hooks: list[str], questions: Questions, name: str) -> str:
    """The one that is meant: the only one, or the one at the given site."""
    given = questions.given.get("site")
    if len(hooks) > 1 and given is not None:
        hooks = [hook for hook in hooks if _at(hook, given)] or hooks
    if len(hooks) > 1:
        raise DictionaryError(
            f"{shorten(name)} holds the SAEs of {shorten(', '.join(hooks))}.", "Pass site= with the place of one."
        )
    return hooks[0]


def _at(hook: str, site: str | Site) -> bool:
    try:
        return Site.parse(hook.replace("-", ".")) == Site.parse(site)
    except SiteError:
        return False
