"""EleutherAI's sparsify (once `sae`): a folder with `cfg.json` and `sae.safetensors`, named after a module.

Keys: `encoder.weight [d_dict, d_in]`, `encoder.bias`, `W_dec [d_dict, d_in]`, `b_dec`, and `W_skip [d_out, d_in]` of a
skip transcoder. The config gives `activation` (`topk` or `groupmax`; older ones `signed`), `k`, `num_latents` (0 means
`expansion_factor · d_in`), `transcode`, `skip_connection`. The folder's name is a Hugging Face module path, `layers.5`,
`layers.5.mlp` or `embed_tokens`: an SAE reads that module's output, a transcoder its input, and writes its output.

```
h      = relu((x - b_dec) W_enc + b_enc)          (a transcoder subtracts nothing)
f      = TopK(h)                                  (groupmax: the greatest of each of k contiguous groups)
output = f W_dec + b_dec + x W_skipᵀ
```

* `normalize_decoder` is a flag of the training. It says nothing about what is subtracted.
* With `signed` the k greatest by magnitude are kept, with their sign, and there is no relu.
* Transcoders from before `activation` was a field of the config may have been trained with `b_dec` subtracted; they are
  asked for `subtract_b_dec`.

Example:
    `load_dictionary("hub:EleutherAI/sae-llama-3-8b-32x/layers.5")`
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from saewidgets.dictionaries.activation import Activation, Kind
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats import orient, values
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.errors import DictionaryError, SiteError, shorten
from saewidgets.sites import Site

NAME, CONFIG, WEIGHTS = "sparsify", "cfg.json", "sae.safetensors"
_TENSORS = frozenset({"encoder.weight", "encoder.bias", "W_dec", "b_dec"})
_SKIP = "W_skip"
_KINDS: dict[str, Kind] = {"topk": "topk", "groupmax": "groupmax"}


def matches(files: Files) -> bool:
    """Whether the folder has the two files, and no other file of it is named."""
    named = files.file is None or files.file.name in (CONFIG, WEIGHTS)
    return named and files.has(CONFIG, WEIGHTS)


def read(files: Files, questions: Questions) -> Dictionary:
    """Read an SAE or a transcoder of sparsify.

    Raises:
        DictionaryError: Damaged, an activation that is not read, or an open question.
    """
    config, tensors = files.json(CONFIG), files.tensors(WEIGHTS)
    if config.get("n_targets") or config.get("n_sources") or any(name.startswith("W_decs") for name in tensors):
        raise DictionaryError(
            f"{shorten(files.source)} is a cross-layer transcoder of clt-training: its features get another offset at "
            "every layer they write to.",
            "Write it in the layout of circuit-tracer, with the offsets folded in.",
        )
    skips = bool(config.get("skip_connection"))
    orient.require(tensors, WEIGHTS, _TENSORS | ({_SKIP} if skips else set()))
    b_enc, b_dec = tensors["encoder.bias"], tensors["b_dec"]
    W_enc = orient.encoder(tensors["encoder.weight"], len(b_enc), transposed=True)
    W_dec = orient.decoder(tensors["W_dec"], len(b_enc))
    _check_width(config, W_enc)
    transcodes = bool(config.get("transcode")) or skips
    site_in, site_out = _sites(files, questions, transcodes)
    activation = _activation(config, questions)
    subtract = _subtract(config, questions, transcodes)
    questions.define(input_norm="none", decoder_norm="not used")
    questions.note("skip", "x W_skipᵀ" if skips else "none", f"{CONFIG}: skip_connection")
    return FeedForward(
        W_enc,
        W_dec,
        b_enc,
        b_dec,
        activation,
        site_in,
        site_out,
        b_in=b_dec if subtract else None,
        W_skip=orient.skip(tensors[_SKIP], len(W_enc), W_dec.shape[1], transposed=True) if skips else None,
        architecture="skip_transcoder" if skips else "transcoder" if transcodes else activation.kind,
        card=questions.card(NAME),
    )


def _activation(config: dict[str, Any], questions: Questions) -> Activation:
    signed = bool(config.get("signed"))
    said = config.get("activation")
    named = "topk" if said is None else str(said)
    if named not in _KINDS or (signed and named != "topk"):
        raise DictionaryError(f"Activation {shorten(named)} is not read.", "Known: topk, groupmax.")
    kind: Kind = "abstopk" if signed else _KINDS[named]
    where = f"{CONFIG}: signed" if signed else "by format" if said is None else f"{CONFIG}: activation"
    questions.note("activation", kind, where)
    k = values.count(questions.settle("k", "k", config.get("k"), f"{CONFIG}: k"), "k")
    return Activation(kind, k=k)


def _subtract(config: dict[str, Any], questions: Questions, transcodes: bool) -> bool:
    """Whether `b_dec` is subtracted from the input."""
    dated = "activation" in config
    found = not transcodes if dated or not transcodes else None
    why = "older transcoders were trained so"
    return bool(questions.settle("bias subtracted", "subtract_b_dec", found, f"{CONFIG}: transcode", True, why))


def _sites(files: Files, questions: Questions, transcodes: bool) -> tuple[Site, Site]:
    """Where it reads and writes: the module that the folder is named after."""
    folder = files.folder.absolute().name
    where = f"name of the folder {shorten(folder)}"
    site_in = questions.site("site", _place(folder, "input" if transcodes else "output"), where)
    if not transcodes:
        return site_in, site_in
    return site_in, questions.site("site_out", _place(folder, "output"), where)


def _place(folder: str, side: str) -> str | None:
    """One side of a module, None for a folder that is not named after one."""
    try:
        return str(Site.of_module(f"{folder}.{side}"))
    except SiteError:
        return None


def _check_width(config: dict[str, Any], W_enc: Tensor) -> None:
    """Refuse a width of the config that is not that of the weights.

    Raises:
        DictionaryError: They do not belong together.
    """
    d_in, d_dict = W_enc.shape
    said = config.get("num_latents") or d_in * (config.get("expansion_factor") or d_dict / d_in)
    if values.number(said, "num_latents") != d_dict:
        raise DictionaryError(
            f"{CONFIG} says {shorten(said)} features, the weights have {d_dict}.",
            "They do not belong together; get both again.",
        )
