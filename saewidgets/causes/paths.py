"""Path patching between two nodes (Wang et al. 2211.00593): what one sends to the other, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from saewidgets.causes.controls import N_CONTROLS, Conditions, draws, same_norm, verdict
from saewidgets.causes.nodes import Node, read_node
from saewidgets.causes.noise import Noise
from saewidgets.causes.pairs import Pair, Prompts, read_pairs
from saewidgets.causes.rows import Change, Row, add, also, put, run_rows
from saewidgets.causes.source import replayable
from saewidgets.errors import EditError
from saewidgets.explain.targets import Asked
from saewidgets.model import Trace
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]
LOGITS = "logits"
_HELD = ("attn_out", "mlp_out")


@dataclass(frozen=True)
class PathEffect:
    """What the path from a sender to a receiver restores.

    Args:
        sender, receiver: The nodes.
        target: What was measured, in words.
        restored: 0: as on the corrupted prompt, 1: as on the clean one; mean over the pairs.
        control_low, control_high: The same with the sender moved by as much in random directions.
        conditions: Error policy, propagation, prompts, controls.
        source: The call that made it.
    """

    sender: str
    receiver: str
    target: str
    restored: float
    control_low: float
    control_high: float
    conditions: Conditions
    source: str = ""

    def code(self) -> str:
        """Python that makes it again, with seed and versions."""
        return self.source

    @property
    def beats_control(self) -> bool:
        """Whether it lies farther from 0 than every control."""
        return abs(self.restored) > max(abs(self.control_low), abs(self.control_high))

    @property
    def verdict(self) -> str:
        """One sentence: whether the path beats every control."""
        return verdict(int(self.beats_control), 1, "paths")

    def to_frame(self) -> pd.DataFrame:
        """One row: sender, receiver, restored, control_low, control_high, beats_control, and the conditions."""
        row = {
            "sender": self.sender, "receiver": self.receiver, "restored": self.restored,
            "control_low": self.control_low, "control_high": self.control_high, "beats_control": self.beats_control,
        }  # fmt: skip
        return pd.DataFrame([row | self.conditions.columns()])


@replayable
def path_patch(
    scope: Scope, clean: Prompts, corrupt: Prompts | Noise, sender: str, receiver: str, target: Asked = None,
    position: int = -1, *, at: Sequence[int] | None = None, into: Sequence[int] | None = None,
    controls: int = N_CONTROLS, seed: int = 0, propagation: str = "free",
) -> PathEffect:  # fmt: skip
    """Give the receiver, on the corrupted prompt, what the sender would have sent it on the clean one.

    First the corrupted prompt is run with the sender as on the clean one, while every attention and MLP between the
    two is held at its corrupted value: only the path through the residual stream is left, and the receiver is read.
    Then the corrupted prompt is run with the receiver put to that value; `propagation` says what follows it.

    Args:
        scope: A model, with dictionaries for features.
        clean: A prompt with the answer, or several of one length.
        corrupt: The same with something changed, of as many tokens; or `Noise`.
        sender: A site ("mlp_out.0"), a head ("head.1.3") or a feature ("resid_post.1/17").
        receiver: The same, after the sender; or "logits".
        target: As in `explain.influence`.
        position: After which token it is predicted.
        at: Positions at which the sender is patched; None for all.
        into: Positions at which the receiver takes what it is sent; None for all.
        controls: Random directions.
        seed: Of the draws.
        propagation: Behind the receiver, as in `patch_map`.

    Returns:
        The effect.

    Raises:
        EditError: The receiver does not come after the sender.
        PromptError: Lengths differ, or the target is the same on both prompts.

    Example:
        >>> import saewidgets as sw
        >>> clean, corrupt = "Today is Monday. Tomorrow will be", "Today is Friday. Tomorrow will be"
        >>> answers = (" Tuesday", " Saturday")
        >>> path_patch(sw.demo(), clean, corrupt, "resid_post.3", "logits", answers, controls=1).restored > 0.99
        True
    """
    source = read_node(scope, sender)
    goal = None if receiver == LOGITS else read_node(scope, receiver)
    if goal is not None and not source.site.order < goal.reads.order:
        raise EditError(f"{goal.name} does not read what {source.name} writes.", "Name the earlier node first.")
    held = [s for s in scope.model.sites() if s.stream in _HELD and _between(s, source, goal)]
    ends = (source, *([] if goal is None else [goal]))
    sites = list(dict.fromkeys([*held, *(site for node in ends for site in (node.reads, node.site))]))
    pairs, n = read_pairs(scope, clean, corrupt, target, position, sites, propagation), draws(controls)
    everywhere = range(len(pairs[0].clean_ids))
    places, ends_at = ([int(p) for p in (everywhere if chosen is None else chosen)] for chosen in (at, into))
    found = np.mean([_effects(pair, source, goal, held, (places, ends_at), n, seed) for pair in pairs], axis=0)
    prompts = len({(pair.clean_ids, pair.corrupt_ids) for pair in pairs})
    travel = "direct to the receiver" + (f", then {propagation}" if goal is not None else "")
    conditions = Conditions(prompts, n, seed, propagation=travel)
    low, high = float(found[1:].min()), float(found[1:].max())
    return PathEffect(source.name, receiver, pairs[0].target.name, float(found[0]), low, high, conditions)


def _between(site: Site, source: Node, goal: Node | None) -> bool:
    """Whether an attention or MLP computes after the sender and before the receiver.

    A head's own attention only carries it on.
    """
    own = source.site.stream == "attn_z" and site == Site("attn_out", source.site.layer)
    return site.order > source.site.order and not own and (goal is None or site.order < goal.reads.order)


def _effects(
    pair: Pair, source: Node, goal: Node | None, held: Sequence[Site], places: tuple[list[int], list[int]], n: int,
    seed: int,
) -> Array:  # fmt: skip
    """`[1 + n]`: restored by the path, and by its controls."""
    scope, corrupt = pair.scope, pair.corrupt
    real = source.change(scope, pair.clean, corrupt, places[0])
    own = corrupt.values[source.site][0]
    move = (real(own) - own)[:, source.columns]
    changes: list[Change] = [real]
    for random in same_norm(move, n, seed):
        wide = torch.zeros_like(own)
        wide[:, source.columns] = random
        changes.append(add(wide))
    rows: list[Row] = [_held_row(corrupt, held, source.site, change) for change in changes]
    if goal is None:
        return pair.restored(rows)
    second: list[Row] = []
    rows = [also(pair.base, row) for row in rows]
    for _, trace in run_rows(scope, pair.corrupt_ids, rows, [goal.reads, goal.site], logits=False):
        for row in range(len(trace.ids)):
            second.append({goal.site: goal.change(scope, trace, corrupt, places[1], row)})
    return pair.restored(second)


def _held_row(corrupt: Trace, held: Sequence[Site], site: Site, change: Change) -> Row:
    return {site: change, **{one: put(corrupt.values[one][0]) for one in held}}
