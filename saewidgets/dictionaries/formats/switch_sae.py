"""Switch SAEs of Anish Mudide (2410.08201): one `ae.pt` state dict, at best with `config.json`.

Keys: `encoder.weight [d_dict, d_in]`, `decoder [d_dict, d_in]`, `router.weight [n_experts, d_in]`, `b_dec`,
`b_router`. There is no bias of the encoder. The number of experts is that of the router's rows. `k` and `heaviside`
stand in the `trainer` of the config; without it they are asked for.

```
p      = softmax(router (x - b_router)),  e = argmax p
f      = TopK(relu(encoder (x - b_dec)) of expert e) · p[e]      (heaviside: · 1)
output = f decoder + b_dec
```

Example:
    `load_dictionary("ae.pt", site="resid_post.8", k=32, heaviside=False)`
"""

from __future__ import annotations

from saewidgets.dictionaries.formats import orient, values
from saewidgets.dictionaries.formats.dictionary_learning import site_of, trainer_of
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.switch import Switch
from saewidgets.errors import DictionaryError

NAME, CONFIG = "switch_sae", "config.json"
_TENSORS = frozenset({"encoder.weight", "decoder", "router.weight", "b_dec", "b_router"})


def matches(files: Files) -> bool:
    """Whether a torch file has the five tensors."""
    name = files.weights(".pt")
    return name is not None and files.keys(name) >= _TENSORS


def read(files: Files, questions: Questions) -> Dictionary:
    """Read a Switch SAE.

    Raises:
        DictionaryError: Damaged, or an open question.
    """
    name = files.weights(".pt")
    if name is None:
        raise DictionaryError("A Switch SAE is one .pt file.", "Name the file.")
    tensors = files.tensors(name)
    orient.require(tensors, name, _TENSORS)
    trainer = trainer_of(files)
    b_dec, router = tensors["b_dec"], tensors["router.weight"]
    W_enc = orient.reading(tensors["encoder.weight"], len(b_dec), transposed=True)
    W_router = orient.reading(router, len(b_dec), transposed=True)
    questions.define(bias="b_dec is subtracted", input_norm="none", decoder_norm="not used")
    questions.note("experts", W_router.shape[1], f"{name}: router.weight")
    k = values.count(questions.settle("k", "k", trainer.get("k"), f"{CONFIG}: k"), "k")
    heaviside = questions.settle("heaviside", "heaviside", trainer.get("heaviside"), f"{CONFIG}: heaviside")
    return Switch(
        W_enc,
        orient.reading(tensors["decoder"], len(b_dec), transposed=True).T,
        b_dec,
        W_router,
        tensors["b_router"],
        min(k, W_enc.shape[1] // W_router.shape[1]),  # an expert has no more
        questions.site("site", site_of(trainer), f"{CONFIG}: submodule_name and layer"),
        heaviside=bool(heaviside),
        card=questions.card(NAME),
    )
