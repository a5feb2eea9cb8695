"""Whether a damaged dictionary was refused as it should be, or loaded as what it is.

A changed weight is a legal weight: much damage gives a legal file, and loading it is right. So what loads is compared
with an independent reading of the same damaged bytes, twice:

1. Every file that was read is read again by the library of its kind (safetensors, numpy, torch, json, yaml). The
   library must accept it too, and find the same names, dtypes, shapes and bits.
2. From what those libraries found, clean files are written, and loaded. That dictionary must give the same bits for
   everything one can ask: directions, activations, reconstructions, sites, widths.

So a header that is damaged can hide no number, double none, shift none and reinterpret none. With a config value of the
wrong kind, or a tensor that cannot be one, a dictionary may load only if it is the same as without the damage (the
value plays no part), or the same as with the value taken away (it counts as not said).
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from saewidgets.dictionaries import Dictionary
from saewidgets.dictionaries.clt import CrossLayerTranscoder
from saewidgets.dictionaries.crosscoder import Crosscoder
from saewidgets.dictionaries.formats import configs, npz, safetensors, torchfile
from saewidgets.errors import DictionaryError
from tests.attacks import containers

# How `load_dictionary` says that a reader met something it had not thought of.
_NET = re.compile(r"is no \w+ dictionary \((.*)\)\.")


class Judge:
    """Writes cases to a folder, loads them and looks at the result.

    Args:
        folder: An empty one.
        load: The trusted `load_dictionary`, for clean files.
    """

    def __init__(self, folder: Path, load: Callable[..., Dictionary]) -> None:
        self.folder, self.trusted, self.under_test = folder, load, load
        self.loaded: Dictionary | None = None
        self.cached: dict[tuple[str, tuple[bytes, ...]], Any] = {}
        self.written: dict[Path, dict[str, bytes]] = {}

    def load(self, case: Any) -> tuple[str, str]:
        """`loaded`, `refused`, `netted` (refused, but not by the reader itself) or `fault`, and a message."""
        place = self._write("case", case, case.files)
        try:
            self.loaded = self.under_test(place / case.path, **case.arguments)
        except DictionaryError as error:
            if _out_of_memory(error):
                return "fault", f"asked for more memory than it may: {error}"
            net = _NET.search(str(error))
            return ("netted", net[1]) if net else ("refused", str(error))
        except Exception as error:
            return "fault", f"{type(error).__name__}: {error}"
        return "loaded", ""

    def wrong(self, case: Any, twin: bool = True) -> str:
        """Why the dictionary that loaded is not the one in the files; empty if it is.

        Without `twin` the second comparison is left out.
        """
        assert self.loaded is not None
        try:
            clean = dict(case.files)
            for path in self.loaded.card.paths:
                name, data = str(path.relative_to(self.folder / "case" / case.tiny.name)), path.read_bytes()
                theirs = containers.read(name, data)
                if not same(_ours(path), theirs):
                    return f"{name} holds other values"
                clean[name] = containers.write(name, theirs)
        except Exception as error:
            return f"accepted what its library refuses: {type(error).__name__}: {error}"
        if not twin:
            return ""
        try:
            found = facts(self.loaded)
        except Exception as error:
            return f"loads, but cannot be used: {type(error).__name__}: {error}"
        try:
            clean_one = facts(self.trusted(self._write("twin", case, clean) / case.path, **case.arguments))
        except DictionaryError as error:
            return f"accepted, though clean files of the same values are refused: {error}"
        if not same(found, clean_one):
            return "another dictionary than clean files of the same values give"
        if case.expected and not any(same(found, self._expected(case, files)) for files in case.expected):
            return "a value of the wrong kind changed it"
        return ""

    def _expected(self, case: Any, files: dict[str, bytes]) -> Any:
        key = case.tiny.name, tuple(files.values())
        if key not in self.cached:
            try:
                found = self.trusted(self._write("other", case, files) / case.path, **case.arguments)
                self.cached[key] = facts(found)
            except DictionaryError:
                self.cached[key] = None
        return self.cached[key]

    def _write(self, name: str, case: Any, files: dict[str, bytes]) -> Path:
        """A folder with exactly these files; what is there from the case before is left."""
        root = self.folder / name / case.tiny.name
        there = self.written.setdefault(root, {})
        for path in there.keys() - files.keys():
            (root / path).unlink()
        for path, data in files.items():
            if there.get(path) is not data:
                if path not in there:
                    (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(data)
        self.written[root] = dict(files)
        return root


def facts(dictionary: Dictionary) -> dict[str, Any]:
    """Everything one can ask of a dictionary, without its card."""
    shape: tuple[int, ...] = (3, dictionary.d_in)
    if isinstance(dictionary, Crosscoder):
        shape = (3, dictionary.n_sites, dictionary.d_in)
    elif isinstance(dictionary, CrossLayerTranscoder):
        shape = (dictionary.n_layers, *shape)
    x = torch.linspace(-1, 2, math.prod(shape)).reshape(shape)
    sites = [getattr(dictionary, name, ()) for name in ("sites", "sites_in", "sites_out")]
    return {
        "kind": (type(dictionary).__name__, dictionary.architecture, dictionary.describe()),
        "place": (str(dictionary.site_in), str(dictionary.site_out), str(sites)),
        "widths": (dictionary.d_in, dictionary.d_dict, dictionary.d_out),
        "directions": dictionary.directions.contiguous(),
        "features": dictionary.encode(x).contiguous(),
        "output": dictionary.reconstruct(x).contiguous(),
    }


def same(ours: Any, theirs: Any) -> bool:
    """Whether two structures are equal to the bit."""
    if isinstance(ours, torch.Tensor):
        return (
            isinstance(theirs, torch.Tensor)
            and (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
            and torch.equal(_bits(ours), _bits(theirs))
        )
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in ours)
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return bool(type(ours) is type(theirs) and ours == theirs)


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


def _ours(path: Path) -> Any:
    """The same file through the guarded reader."""
    if path.suffix == ".safetensors":
        tensors, metadata = safetensors.load_tensors(path)
        return tensors, metadata or None
    if path.suffix == ".npz":
        return npz.load_tensors(path)
    if path.suffix in torchfile.SUFFIXES:
        return torchfile.load_entries(path)
    parse = configs.parse_yaml if path.suffix == ".yaml" else configs.parse_json
    return parse(path.read_bytes(), path.name)


def _out_of_memory(error: BaseException) -> bool:
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, MemoryError) or "allocate" in str(link):
            return True
        link = link.__cause__ or link.__context__
    return False
