"""`load_dictionary`: one door for files, folders and hub names."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

from saewidgets.dictionaries.formats import native, saelens
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.errors import DictionaryError, shorten
from saewidgets.sites import Site

# Asked in this order whether a file or folder is theirs; each looks at names, configs and headers only.
_FORMATS: tuple[ModuleType, ...] = (native, saelens)
FORMATS = ("auto", *(module.NAME for module in _FORMATS))
# Names as the hub allows them; anything else (.., drives, look-alikes) is refused before any request.
_HUB = re.compile(r"hub:([A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})((?:/[A-Za-z0-9_][\w.=+-]*)*)", re.ASCII)


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
) -> Dictionary:
    """Load a dictionary from a file, a folder, or the Hugging Face hub.

    What an argument says counts more than what the files say. What neither says is refused, by the name of the
    argument that answers it, unless `strict` is off; then it is assumed, and the card says so.

    Args:
        path: A file, a folder, or `"hub:owner/repo/folder"`.
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
    local = _download(path) if isinstance(path, str) and path.startswith("hub:") else Path(path)
    try:
        exists = local.is_file() or local.is_dir()
    except (OSError, ValueError):
        exists = False
    if not exists:
        raise DictionaryError(f"There is no {shorten(str(path))}.", "Check the path, or write 'hub:owner/repo/...'.")
    given = {
        "site": site, "site_out": site_out, "architecture": architecture, "k": k, "threshold": threshold,
        "norm_factor": norm_factor, "subtract_b_dec": subtract_b_dec, "decoder_norm": decoder_norm,
    }  # fmt: skip
    files = Files(local, str(path))
    for module in _FORMATS:
        if format == module.NAME or (format == "auto" and module.matches(files)):
            dictionary: Dictionary = module.read(files, Questions(files, given, strict))
            return dictionary
    raise DictionaryError(f"{shorten(str(path))} is in no format known here.", f"Known: {', '.join(FORMATS[1:])}.")


def _download(name: str) -> Path:
    """Fetch the two files of a SAELens folder from the hub into its cache; returns the folder."""
    match = _HUB.fullmatch(name)
    if match is None:
        raise DictionaryError(f"{shorten(name)} is no hub path.", "Write 'hub:owner/repo/folder'.")
    from huggingface_hub import hf_hub_download

    repository, folder = match[1], match[2].strip("/")
    files = [f"{folder}/{file}".lstrip("/") for file in (saelens.CONFIG, saelens.WEIGHTS)]
    try:
        local = [hf_hub_download(repository, file) for file in files]
    except Exception as error:
        raise DictionaryError(
            f"Cannot fetch {shorten(name)} ({type(error).__name__}).",
            "Check the name and the network; a folder on disk works without one.",
        ) from error
    return Path(local[0]).parent
