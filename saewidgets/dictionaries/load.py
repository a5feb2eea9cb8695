"""`load_dictionary`: one door for files, folders and hub names."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from saewidgets.dictionaries import hub
from saewidgets.dictionaries.find import find
from saewidgets.dictionaries.formats import (
    bartbussmann_batchtopk,
    circuit_tracer,
    ckkissane_attn,
    crosscoders,
    dictionary_learning,
    e2e_sae,
    fields,
    gemma_scope,
    gemma_scope_2,
    goodfire,
    llama_scope,
    llamascopium,
    matryoshka_saes,
    native,
    openai,
    overcomplete,
    qresearch,
    qwen_scope,
    saelens,
    sparsify,
    switch_sae,
    temporal_saes,
    transcoder_circuits,
)
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.errors import DictionaryError, SiteError, shorten
from saewidgets.sites import Site

# Asked in this order whether a file or folder is theirs; each looks at names, configs and headers only.
_FORMATS: tuple[ModuleType, ...] = (
    native,
    saelens,
    dictionary_learning,
    sparsify,
    openai,
    goodfire,
    gemma_scope,
    gemma_scope_2,
    llama_scope,
    llamascopium,
    qwen_scope,
    qresearch,
    circuit_tracer,
    crosscoders,
    bartbussmann_batchtopk,
    matryoshka_saes,
    switch_sae,
    temporal_saes,
    ckkissane_attn,
    e2e_sae,
    overcomplete,
    transcoder_circuits,
)
FORMATS = ("auto", *(module.NAME for module in _FORMATS))


def load_dictionary(
    path: str | Path,
    site: str | Site | None = None,
    format: str = "auto",
    strict: bool = True,
    *,
    site_out: str | Site | None = None,
    architecture: str | None = None,
    k: int | None = None,
    threshold: float | None = None,
    norm_factor: float | None = None,
    subtract_b_dec: bool | None = None,
    decoder_norm: str | None = None,
    heaviside: bool | None = None,
) -> Dictionary:
    """Load a dictionary from a file, a folder, or the Hugging Face hub.

    What an argument says counts more than what the files say. What neither says is refused, by the name of the
    argument that answers it, unless `strict` is off; then it is assumed, and the card says so.

    Args:
        path: A file, a folder, or `"hub:owner/repo/folder[@revision]"`. Folders above the dictionary's are entered as
            long as there is one dictionary below.
        site: Where it reads.
        format: `"auto"`, or the name of one.
        strict: Refuse what the files leave open.
        site_out: Where it writes, of a transcoder.
        architecture: What its authors call it.
        k: Features a token, of a TopK dictionary.
        threshold: One threshold for all features.
        norm_factor: What inputs were multiplied by in training.
        subtract_b_dec: Whether the decoder bias is subtracted from the input.
        decoder_norm: `"raw"` or `"unit"`: whether the authors rescale to unit-norm decoder rows when loading.
        heaviside: Whether a Switch SAE keeps the router's probability out of its activations.

    Returns:
        The dictionary; `.card` says what was found where.

    Raises:
        DictionaryError: The format is unknown, the files are damaged, or a question is open.

    Example:
        >>> load_dictionary("no/such/folder")
        Traceback (most recent call last):
        saewidgets.errors.DictionaryError: There is no 'no/such/folder'. Check the path, or write 'hub:owner/repo/...'.
    """
    if format not in FORMATS:
        raise DictionaryError(f"Unknown format {shorten(format)}.", f"Use one of {', '.join(FORMATS)}.")
    fetched = hub.fetch(path, _layer(site)) if isinstance(path, str) and path.startswith("hub:") else None
    local = fetched.path if fetched else Path(path)
    try:
        exists = local.is_file() or local.is_dir()
    except (OSError, ValueError):
        exists = False
    if not exists:
        raise DictionaryError(f"There is no {shorten(str(path))}.", "Check the path, or write 'hub:owner/repo/...'.")
    given = {
        "site": site, "site_out": site_out, "architecture": architecture, "k": k, "threshold": threshold,
        "norm_factor": norm_factor, "subtract_b_dec": subtract_b_dec, "decoder_norm": decoder_norm,
        "heaviside": heaviside,
    }  # fmt: skip
    named = next((module for module in _FORMATS if module.NAME == format), None)
    try:
        module, place = find(local, str(path), _FORMATS if named is None else (named,), _layer(site))
    except OSError as error:
        raise DictionaryError(f"Cannot look into {shorten(str(path))}: {error.strerror}.", "Check the path.") from None
    files = Files(place, str(path))
    questions = Questions(files, given, strict)
    if fetched:
        questions.note("revision", fetched.commit, fetched.where)
    try:
        dictionary: Dictionary = module.read(files, questions)
    except SiteError as error:
        raise DictionaryError(error.what, error.todo) from None
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, ArithmeticError, OSError) as error:
        raise DictionaryError(
            f"{shorten(str(path))} is no {module.NAME} dictionary ({shorten(error)}).",
            "Name its format, or get it again.",
        ) from None
    fields.check_widths(files.configs, dictionary)
    return dictionary


def _layer(site: str | Site | None) -> int | None:
    """The layer a site means, where a folder holds one dictionary a layer."""
    try:
        return None if site is None else Site.parse(site).layer
    except SiteError:
        return None
