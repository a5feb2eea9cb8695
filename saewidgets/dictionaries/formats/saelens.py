"""SAELens folders: `cfg.json` and `sae_weights.safetensors`, versions 2 to 6.

Read here: ReLU ("standard"), TopK and JumpReLU autoencoders and their transcoders, without input normalisation. What
needs a guess or a conversion of its own is refused by name.
"""

import json
from pathlib import Path
from typing import Any

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.dictionary import Card, Dictionary
from saewidgets.dictionaries.formats.safetensors import load_tensors
from saewidgets.errors import DictionaryError, SiteError, shorten
from saewidgets.sites import Site

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
_KINDS = {
    "standard": "relu",
    "topk": "topk",
    "jumprelu": "jumprelu",
    "transcoder": "relu",
    "jumprelu_transcoder": "jumprelu",
}
_TENSORS = {"W_enc", "W_dec", "b_enc", "b_dec", "threshold", "scaling_factor"}
_MAX_CONFIG = 1 << 20


def read_config(folder: Path) -> dict[str, Any]:
    """`cfg.json`, with `metadata` of version 6 laid over it.

    Raises:
        DictionaryError: Missing, too large, or no JSON object.
    """
    path = folder / CONFIG
    try:
        if path.stat().st_size > _MAX_CONFIG:
            raise DictionaryError(f"{CONFIG} has {path.stat().st_size} bytes.", "A SAELens config has a few hundred.")
        config = json.loads(path.read_bytes())
    except OSError as error:
        raise DictionaryError(f"Cannot read {CONFIG}: {error.strerror}.", "Give the folder that holds it.") from None
    except (ValueError, RecursionError) as error:
        raise DictionaryError(f"{CONFIG} is damaged ({shorten(error)}).", "Get the file again.") from None
    metadata = config.get("metadata") if isinstance(config, dict) else None
    if not isinstance(config, dict) or not (metadata is None or isinstance(metadata, dict)):
        raise DictionaryError(f"{CONFIG} is no SAELens config.", "Name the format if it is another one.")
    return {**config, **(metadata or {})}


def load(folder: Path, site: str | Site | None = None, strict: bool = True) -> Dictionary:
    """Read a SAELens folder.

    Args:
        folder: Holds `cfg.json` and `sae_weights.safetensors`.
        site: Where it reads, if the config does not say (or to override it).
        strict: Refuse whatever the files leave open instead of doing what SAELens does.

    Returns:
        The dictionary, on the authors' activation scale.

    Raises:
        DictionaryError: An architecture or normalisation that is not read, damaged files, or an open question.
    """
    config = read_config(folder)
    tensors, _ = load_tensors(folder / WEIGHTS)
    found: list[tuple[str, str]] = []

    def setting(name: str, *keys: str, default: Any = None) -> Any:
        for key in keys:
            if config.get(key) is not None:
                found.append((name, f"{CONFIG}: {key} = {shorten(config[key])}"))
                return config[key]
        found.append((name, f"default of SAELens: {shorten(default)}"))
        return default

    architecture = setting("architecture", "architecture", default="standard")
    # Before version 6 a TopK dictionary said "standard" and named its activation elsewhere (SAELens#553).
    if config.get("activation_fn_str") == "topk":
        architecture = "topk"
        found.append(("activation", f"{CONFIG}: activation_fn_str = 'topk' overrides the architecture"))
    if not isinstance(architecture, str) or architecture not in _KINDS:
        raise DictionaryError(
            f"SAELens architecture {shorten(architecture)} is not read.", f"Known: {', '.join(sorted(_KINDS))}."
        )
    _refuse_unknown(config, tensors, architecture, strict, found)
    transcoder = "transcoder" in architecture
    subtract = bool(setting("b_dec", "apply_b_dec_to_input", default=not transcoder))
    site_in = _site(site or setting("site_in", "hook_name", "hook_point"), "site")
    site_out = _site(setting("site_out", "hook_name_out"), "site_out") if transcoder else site_in
    activation = _activation(architecture, config, tensors)
    W_enc, W_dec, b_enc = tensors["W_enc"], tensors["W_dec"], tensors["b_enc"]
    if config.get("rescale_acts_by_decoder_norm"):
        # f = topk(h |d|), x = (f / |d|) W_dec: the same function with the norms folded into the weights.
        norm = W_dec.norm(dim=1)
        W_enc, b_enc, W_dec = W_enc * norm, b_enc * norm, W_dec / norm[:, None]
        found.append(("scale", f"{CONFIG}: rescale_acts_by_decoder_norm, folded"))
    return Dictionary(
        W_enc, W_dec, b_enc, tensors["b_dec"], activation, site_in, site_out, subtract, architecture,
        Card("saelens", folder.name, tuple(found)),
    )  # fmt: skip


def _refuse_unknown(
    config: dict[str, Any], tensors: dict[str, Any], architecture: str, strict: bool, found: list[tuple[str, str]]
) -> None:
    missing = {"W_enc", "W_dec", "b_enc", "b_dec"} - tensors.keys()
    extra = tensors.keys() - _TENSORS
    if missing or extra:
        names = ", ".join(sorted(missing or extra))
        raise DictionaryError(
            f"{WEIGHTS} {'lacks' if missing else 'also holds'} {shorten(names)}.",
            f"A {architecture!r} dictionary has W_enc, W_dec, b_enc, b_dec.",
        )
    scaling = tensors.get("scaling_factor")
    if scaling is not None and not bool((scaling == 1).all()):
        raise DictionaryError("The file holds a fine-tuning scaling_factor.", "Fold it into W_dec and save again.")
    normalise = config.get("normalize_activations")
    if normalise in (None, False, "none"):
        return
    if normalise == "expected_average_only_in":
        # The factor is not in the folder; SAELens then applies nothing, which is right only if it was folded.
        if strict:
            raise DictionaryError(
                "cfg.json says inputs were scaled to an expected norm, but the factor is not in the folder.",
                "Fold it and save again, or pass strict=False to read the weights as they are, as SAELens does.",
            )
        found.append(("norm", "expected_average_only_in without its factor: nothing applied, as in SAELens"))
        return
    raise DictionaryError(f"Input normalisation {shorten(normalise)} is not read.", "Fold it and save again.")


def _activation(architecture: str, config: dict[str, Any], tensors: dict[str, Any]) -> Activation:
    kind = _KINDS[architecture]
    if kind == "topk":
        arguments = config.get("activation_fn_kwargs")
        k = config.get("k", arguments.get("k") if isinstance(arguments, dict) else None)
        if isinstance(k, float) and k.is_integer():
            k = int(k)
        if type(k) is not int or not 1 <= k <= tensors["b_enc"].numel():
            raise DictionaryError(f"TopK with k = {shorten(k)}.", f"{CONFIG} must give k from 1 to d_sae.")
        return Activation("topk", k=k)
    if kind == "jumprelu":
        if "threshold" not in tensors:
            raise DictionaryError(f"{WEIGHTS} lacks threshold.", "A JumpReLU dictionary has one value a feature.")
        return Activation("jumprelu", threshold=tensors["threshold"])
    return Activation("relu")


def _site(name: Any, argument: str) -> Site:
    if name is None:
        raise DictionaryError("The files do not say where the dictionary reads or writes.", f"Pass {argument}=.")
    try:
        return Site.parse(name)
    except SiteError as error:
        raise DictionaryError(f"{error.what}", f"Pass {argument}= with one of our sites.") from None
