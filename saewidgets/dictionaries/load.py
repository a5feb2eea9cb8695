"""`load_dictionary`: one door for files, folders and hub names."""

import re
from pathlib import Path

from saewidgets.dictionaries.dictionary import Dictionary
from saewidgets.dictionaries.formats import native, saelens
from saewidgets.errors import DictionaryError, shorten
from saewidgets.sites import Site

# Names as the hub allows them; anything else (.., drives, look-alikes) is refused before any request.
_HUB = re.compile(r"hub:([A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})((?:/[A-Za-z0-9_][\w.=+-]*)*)", re.ASCII)
FORMATS = ("auto", "saewidgets", "saelens")


def load_dictionary(
    path: str | Path, site: str | Site | None = None, format: str = "auto", strict: bool = True
) -> Dictionary:
    """Load a dictionary from a file, a folder, or the Hugging Face hub.

    Args:
        path: A `.safetensors` file of ours, a SAELens folder, or `"hub:owner/repo/folder"`.
        site: Where it reads, when the files do not say.
        format: `"auto"`, `"saewidgets"` or `"saelens"`.
        strict: Refuse what the files leave open.

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
    folder = _download(path) if isinstance(path, str) and path.startswith("hub:") else Path(path)
    try:
        is_file, is_folder = folder.is_file(), folder.is_dir()
    except (OSError, ValueError):
        is_file = is_folder = False
    if not (is_file or is_folder):
        raise DictionaryError(f"There is no {shorten(str(path))}.", "Check the path, or write 'hub:owner/repo/...'.")
    if format == "auto":
        format = "saelens" if is_folder and (folder / saelens.CONFIG).is_file() else "saewidgets"
    if format == "saelens":
        return saelens.load(folder.parent if is_file else folder, site, strict)
    if is_folder:
        raise DictionaryError(f"{shorten(str(path))} holds no {saelens.CONFIG}.", "Give a folder in SAELens format.")
    return native.load(folder)


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
