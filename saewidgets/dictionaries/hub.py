"""Dictionaries on the Hugging Face hub: names checked before any request, only the files that are needed, one commit.

```
hub:owner/repo/folder[@revision]      hub:owner/repo/folder/file.safetensors[@revision]
```

A folder is listed, its configs are fetched, then its weights; a folder without weights is entered if there is one way
to go. Nothing else is fetched, and no code is run. Downloads go to the cache of `huggingface_hub`, which takes one up
again where its connection broke (a later call starts over) and moves a file to its place only when it is whole; its
length, and its hash where the hub knows it, are compared with the listing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from saewidgets.dictionaries.hubname import HubName
from saewidgets.errors import DictionaryError, shorten

_CONFIGS = (
    "cfg.json", "config.json", "config.yaml", "conf.yaml", "hyperparams.json",
    # what a training checkpoint of SAELens needs besides
    "activation_scaler.json", "activation_whitening.safetensors",
)  # fmt: skip
_SUFFIXES = (".safetensors", ".npz", ".pt", ".pth")
# What lies beside weights and is none.
_BESIDE = re.compile(r"(sparsity|trainer_state|activation_|optim|scheduler|runner_)")
# The first of these is taken where there are several.
_PREFERRED = (
    "sae_weights.safetensors", "sae.safetensors", "params.safetensors", "params.npz", "model.safetensors",
    "latest_ckpt.safetensors", "final.safetensors", "ae.pt", "cc_weights.pt", "sae.pt",
)  # fmt: skip
# One dictionary in many files; many dictionaries, one a layer.
_TOGETHER = re.compile(r"(W_(enc|dec)_\d{1,4}|params_layer_\d{1,4})\.safetensors")
_LAYER = re.compile(r"layer_?(\d{1,4})\.")
_MAX_CONFIG = 1 << 20


@dataclass(frozen=True)
class Fetched:
    """What was fetched.

    Args:
        path: File or folder in the cache.
        commit: The commit that the revision means.
        where: How that is known, for the card.
    """

    path: Path
    commit: str
    where: str


def fetch(text: str, layer: int | None = None) -> Fetched:
    """Fetch the files of one dictionary.

    Args:
        text: `hub:owner/repo/folder[@revision]`.
        layer: Which one is meant where a folder holds one dictionary a layer.

    Returns:
        The path to load. Without a way to the hub, what an earlier call has fetched.

    Raises:
        DictionaryError: No such name, repository, revision or file; it is gated; the hub is out of reach; the download
            is damaged; or there are several dictionaries, which the message names.
    """
    from huggingface_hub import HfApi

    name = HubName.parse(text)
    asked = f"hub, revision {name.revision or 'main'}"
    with _typed_errors(text) as unreachable:
        commit = HfApi().model_info(name.repository, revision=name.revision, expand=["sha"]).sha
    if unreachable:
        return _cached(name, text, unreachable[0])
    if not isinstance(commit, str) or not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise DictionaryError(f"The hub names no commit of {shorten(text)}.", "Try again later.")
    with _typed_errors(text) as unreachable:
        path = _download(name, commit, text, layer)
    if unreachable:
        raise unreachable[0]
    return Fetched(path, commit, asked)


@dataclass(frozen=True)
class _Entry:
    """A file of the listing: path in the repository, size, SHA-256 where the hub knows it."""

    path: str
    size: int
    sha256: str | None

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name


def _download(name: HubName, commit: str, text: str, layer: int | None) -> Path:
    """Configs, then weights; returns the file that was named, or the folder with the configs."""
    parent, _, last = name.folder.rpartition("/")
    named = last if last.endswith(_SUFFIXES) else None
    folder, configs, home = parent if named else name.folder, [], None
    for _ in range(6):
        files, folders = _list(name.repository, commit, folder)
        found = [entry for entry in files if _is_config(entry.name, named)]
        configs += found
        home = folder if found and home is None else home
        weights = _weights(files, named, layer, text)
        if weights:
            local = [_get(name.repository, commit, entry) for entry in (*configs, *weights)][-1]
            alone = named or (len(weights) == 1 and weights[0].name not in _PREFERRED)
            if alone and not _TOGETHER.fullmatch(weights[0].name):
                return local
            return _root(local, weights[-1].path) / (folder if home is None else home)
        if len(folders) != 1 and "checkpoints" not in folders:
            raise _choices(text, [f"{entry}/" for entry in folders], "holds no weights")
        step = "checkpoints" if "checkpoints" in folders else folders[0]
        folder = f"{folder}/{step}".lstrip("/")
    raise DictionaryError(f"{shorten(text)} holds no weights within six folders.", "Name the folder they are in.")


def _is_config(name: str, named: str | None) -> bool:
    return name in _CONFIGS or (named is not None and name == f"{named.rpartition('.')[0]}_cfg.json")


def _weights(files: list[_Entry], named: str | None, layer: int | None, text: str) -> list[_Entry]:
    """The weights to fetch of a folder; none where it has none."""
    found = [entry for entry in files if entry.name.endswith(_SUFFIXES) and not _BESIDE.match(entry.name)]
    if named is not None:
        chosen = [entry for entry in files if entry.name == named]
        if not chosen:
            raise _choices(text, [entry.name for entry in found], "is not there")
        return chosen
    for preferred in _PREFERRED:
        chosen = [entry for entry in found if entry.name == preferred]
        if chosen:
            return chosen
    together = [entry for entry in found if _TOGETHER.fullmatch(entry.name)]
    if together or len(found) < 2:
        return together or found
    of_layer = [entry for entry in found if (match := _LAYER.search(entry.name)) and int(match[1]) == layer]
    if len(of_layer) == 1:
        return of_layer
    raise _choices(text, [entry.name for entry in found], "holds several dictionaries")


def _choices(text: str, choices: list[str], what: str) -> DictionaryError:
    listed = ", ".join(sorted(choices)[:8]) + (" ..." if len(choices) > 8 else "")
    return DictionaryError(f"{shorten(text)} {what}.", f"Name one of {listed}." if choices else "Check the name.")


def _list(repository: str, commit: str, folder: str) -> tuple[list[_Entry], list[str]]:
    """Files and folders in one folder."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    files, folders = [], []
    for item in HfApi().list_repo_tree(repository, folder or None, revision=commit):
        if isinstance(item, RepoFile):
            files.append(_Entry(item.path, item.size, item.lfs.sha256 if item.lfs else None))
        else:
            folders.append(PurePosixPath(item.path).name)
    return files, folders


def _get(repository: str, commit: str, entry: _Entry) -> Path:
    """One file in the cache, whole."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    if not entry.name.endswith(_SUFFIXES) and entry.size > _MAX_CONFIG:
        raise DictionaryError(f"{shorten(entry.path)} has {entry.size} bytes.", "A config has a few hundred.")
    known = isinstance(try_to_load_from_cache(repository, entry.path, revision=commit), str)
    path = Path(hf_hub_download(repository, entry.path, revision=commit))
    size = path.stat().st_size
    if size == entry.size and (known or entry.sha256 is None or _sha256(path) == entry.sha256):
        return path
    path.resolve().unlink(missing_ok=True)  # so that the next call fetches it again
    path.unlink(missing_ok=True)
    raise DictionaryError(f"{shorten(entry.path)} arrived damaged ({size} of {entry.size} bytes).", "Try again.")


def _root(local: Path, path: str) -> Path:
    """The folder of the snapshot, from one file in it."""
    return local.parents[len(PurePosixPath(path).parts) - 1]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cached(name: HubName, text: str, reason: DictionaryError) -> Fetched:
    """What earlier calls have fetched, where the hub is out of reach."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    snapshots = (
        Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name.repository, repo_type="model") / "snapshots"
    )
    found = [path for path in snapshots.glob("*") if (path / name.folder).exists()]
    found = [path for path in found if name.revision in (None, "main", path.name)]
    if not found:
        raise reason
    if len(found) > 1:
        raise _choices(text, [f"@{path.name}" for path in found], "is cached at several commits")
    return Fetched(found[0] / name.folder, found[0].name, "cache; the hub was not reached")


@contextmanager
def _typed_errors(text: str) -> Iterator[list[DictionaryError]]:
    """Errors of the hub as ours; one that says it is out of reach is handed to the caller."""
    from huggingface_hub import errors

    unreachable: list[DictionaryError] = []
    try:
        yield unreachable
    except DictionaryError:
        raise
    except errors.GatedRepoError:
        raise _refusal(text, "is gated", "Accept its terms on its page, then log in: hf auth login.") from None
    except errors.RepositoryNotFoundError:
        raise _refusal(text, "is no repository open to you", "Check the name, or log in: hf auth login.") from None
    except errors.RevisionNotFoundError:
        raise _refusal(text, "has no such revision", "Check what stands behind @.") from None
    except errors.EntryNotFoundError as error:
        if not isinstance(error, errors.LocalEntryNotFoundError):
            raise _refusal(text, "has no such folder or file", "Check the path in the repository.") from None
        unreachable.append(_out_of_reach(text, error))
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403):
            raise _refusal(text, f"is not open to you ({status})", "Log in: hf auth login.") from None
        if "Consistency check" in str(error):
            raise _refusal(text, "arrived damaged: its length is wrong", "Try again.") from None
        unreachable.append(_out_of_reach(text, error))


def _refusal(text: str, what: str, todo: str) -> DictionaryError:
    return DictionaryError(f"{shorten(text)} {what}.", todo)


def _out_of_reach(text: str, error: Any) -> DictionaryError:
    return _refusal(
        text, f"cannot be fetched ({type(error).__name__})", "Check the network; a folder on disk works without one."
    )
