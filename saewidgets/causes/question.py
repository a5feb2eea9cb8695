"""`Question`: prompts that were run and the cells that may be patched, ready to be measured in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saewidgets.causes.cells import KINDS, Cells, as_large_as, feature_cells, measure, stream_cells
from saewidgets.causes.controls import Conditions, check_error, draws, random_like
from saewidgets.causes.noise import Noise
from saewidgets.causes.pairs import Pair, Prompts, read_pairs
from saewidgets.causes.rows import Tick
from saewidgets.dictionaries import Dictionary
from saewidgets.errors import EditError, shorten
from saewidgets.explain.targets import Asked

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int, str], None]
"""Called with what is done, of how much, and of what; may raise to stop."""
NAMES = {"resid": "residual stream", "attention": "attention", "mlp": "MLP", "heads": "heads", "features": "features"}


@dataclass(frozen=True, eq=False)
class Part:
    """Cells of one kind and the prompts they are patched in: without error term, where that is dropped."""

    pairs: tuple[Pair, ...]
    cells: Cells


@dataclass(frozen=True, eq=False)
class Question:
    """What a patch map asks.

    Args:
        scope: The model.
        pairs: Clean and corrupted prompts.
        parts: The cells, kind by kind.
        conditions: Error policy, propagation, prompts, controls.
        key: The dictionary whose features are patched, if any.
        top: How many cells of features.
        randoms: Random dictionaries; `None` fits them to the prompts when they are needed.
    """

    scope: Scope
    pairs: tuple[Pair, ...]
    parts: tuple[Part, ...]
    conditions: Conditions
    key: str | None
    top: int
    randoms: Sequence[Dictionary] | None

    def restored(self, part: Part, progress: Progress | None = None) -> Array:
        """`[cells]`: what each restores."""
        return measure(part.pairs, part.cells, tick=tick(progress, NAMES[part.cells.kind]))[0]

    def control(self, part: Part, progress: Progress | None = None) -> tuple[Array, float]:
        """`[cells, 2 n]` of the controls of each, and the best cell of random dictionaries."""
        step = tick(progress, f"control of {NAMES[part.cells.kind]}")
        n, seed, best = self.conditions.controls, self.conditions.seed, 0.0
        _, found = measure(part.pairs, part.cells, n, seed, step)
        if part.cells.kind == "features" and self.key is not None:
            others = self.randoms
            if others is None:
                rows = [ids for pair in self.pairs for ids in (pair.clean_ids, pair.corrupt_ids)]
                others = random_like(self.scope, self.key, rows, n, seed)
            for other in others:
                rival = as_large_as(feature_cells(part.pairs, self.key, other, self.top), part.cells)
                best = max(best, float(np.abs(measure(part.pairs, rival, tick=step)[0]).max(initial=0)))
        return found, best


def ask(
    scope: Scope, clean: Prompts, corrupt: Prompts | Noise, target: Asked, position: int, *, kinds: Sequence[str],
    dictionary: str | None, top: int, controls: int, seed: int, randoms: Sequence[Dictionary] | None,
    propagation: str, error: str,
) -> Question:  # fmt: skip
    """Run the prompts and list the cells. Arguments and errors as for `patch_map`."""
    unknown = [kind for kind in kinds if kind not in (*KINDS, "features")]
    if unknown or not kinds:
        raise EditError(f"Cells of kind {shorten(unknown)}.", f"Use {', '.join((*KINDS, 'features'))}.")
    check_error(error)
    n, sites = draws(controls), [s for s in scope.model.sites() if s.stream in {KINDS.get(kind) for kind in kinds}]
    key = None
    if "features" in kinds:
        key = scope.default_site if dictionary is None else scope.key(dictionary)
        sites += [scope.dictionaries[key].site_in, scope.dictionaries[key].site_out]
    asked = (scope, clean, corrupt, target, position, list(dict.fromkeys(sites)), propagation)
    pairs = tuple(read_pairs(*asked))
    parts = [Part(pairs, stream_cells(scope, len(pairs[0].clean_ids), k)) for k in kinds if k != "features"]
    if key is not None:
        one = scope.dictionaries[key]
        bare = pairs if error == "kept" else tuple(read_pairs(*asked, dropped=one))
        parts.append(Part(bare, feature_cells(bare, key, one, top)))
    # Draws of noise are no further prompts. Nothing but features passes through a dictionary.
    prompts = len({(pair.clean_ids, pair.corrupt_ids) for pair in pairs})
    conditions = Conditions(prompts, n, seed, error if key is not None else "kept", propagation)
    return Question(scope, pairs, tuple(parts), conditions, key, top, randoms)


def tick(progress: Progress | None, note: str) -> Tick | None:
    """Reports rows under a name."""
    return None if progress is None else lambda done, total: progress(done, total, note)
