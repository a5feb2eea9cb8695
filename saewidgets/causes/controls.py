"""What stands beside a causal number: controls, and the conditions under which it was measured.

Three controls. *Like density*: the same done to random features of the same dictionary that are active on about as many
tokens. *Directions*: changes of the same norm at the same tokens, in random directions. *Random dictionaries*: the same
search in dictionaries of the same width and sparsity whose encoder directions are random; it tells a feature that was
found from one that any dictionary would have given (2602.14111).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from saewidgets.dictionaries import Dictionary
from saewidgets.dictionaries.baselines import frozen_decoder, random_directions
from saewidgets.errors import CorpusError, EditError, shorten
from saewidgets.explain.contexts import Texts, as_rows

if TYPE_CHECKING:
    from saewidgets.explain.encoded import Encoded
    from saewidgets.scope import Scope

N_CONTROLS = 8
# A decoder for more features than this is not fitted, which takes d_dict^3: it stays random.
_FITTED = 4096
# How many features of nearest density a random one is drawn from, as in `runs.control`.
_POOL = 20


@dataclass(frozen=True)
class Conditions:
    """What a causal number must be read with.

    Args:
        prompts: Number of prompts.
        controls: Draws of each kind of control.
        seed: Of the draws.
        error: What happened to the dictionary's error term.
        propagation: `"free"`: everything after the change was computed anew; `"frozen_attention"`: but the attention
            patterns; `"direct"`: only what the residual stream and the heads' values carry on.
    """

    prompts: int
    controls: int
    seed: int
    error: str = "kept"
    propagation: str = "free"

    def columns(self) -> dict[str, Any]:
        """For a table: error, propagation, prompts."""
        return {"error": self.error, "propagation": self.propagation, "prompts": self.prompts}

    def __str__(self) -> str:
        prompts = "1 prompt" if self.prompts == 1 else f"{self.prompts} prompts"
        drawn = "1 draw" if self.controls == 1 else f"{self.controls} draws"
        return f"error {self.error}, {self.travel}, {prompts}, {drawn} of each control"

    @property
    def travel(self) -> str:
        """How the change travels on, in words."""
        return f"{self.propagation.replace('_', ' ')} propagation"


def verdict(beating: int, tested: int, noun: str) -> str:
    """One sentence: how many beat every control."""
    if not beating:
        return f"Nothing beats the control: none of {tested} {noun} does more than the controls do."
    return f"{beating} of {tested} {noun} {'does' if beating == 1 else 'do'} more than every control."


def check_error(error: str) -> str:
    """What is to happen to the error term.

    Raises:
        EditError: It is neither kept nor dropped.
    """
    if error not in ("kept", "dropped"):
        raise EditError(f"The error term is {shorten(error)}.", "Use error='kept' or error='dropped'.")
    return error


def first_token(scope: Scope, ids: Sequence[int]) -> int:
    """The first position that is text: 1 after a begin-of-sequence token, whose activations are unlike all others."""
    return int(len(ids) > 1 and ids[0] == scope.model.bos_id)


def draws(n: int) -> int:
    """A number of controls.

    Raises:
        EditError: Fewer than one.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise EditError(f"{shorten(n)} controls.", "A causal number needs at least one draw of each control.")
    return n


class Randoms(tuple[Dictionary, ...]):
    """Random dictionaries, and the source of the call that made them.

    Args:
        made: The dictionaries.
        source: See `Ablation.code`.
    """

    source: str

    def __new__(cls, made: Iterable[Dictionary], source: str) -> Randoms:
        """A tuple that knows where it comes from."""
        found = super().__new__(cls, made)
        found.source = source
        return found


def random_source(key: str, texts: Texts, n: int, seed: int) -> str:
    """The call of `random_like`, for the code of a result."""
    shown = texts if isinstance(texts, str) else list(texts) if isinstance(texts, list | tuple) else "..."
    return f"sw.causes.random_like(scope, {key!r}, {shown!r}, n={n}, seed={seed})"


def random_like(scope: Scope, dictionary: str, texts: Texts, n: int = N_CONTROLS, seed: int = 0) -> Randoms:
    """Random dictionaries to stand beside a trained one: of its width and sparsity, fitted to the same place.

    The encoder's directions are random; the decoder is the least-squares fit to the texts (above 4,096 features it is
    random and frozen instead).

    Args:
        scope: A model with its dictionaries.
        dictionary: Key of the one they stand beside.
        texts: Contexts they are fitted to.
        n: How many.
        seed: Of the first.

    Returns:
        `n` dictionaries.

    Raises:
        CorpusError: The texts have one token only.
        SiteError: No such dictionary.

    Example:
        >>> import saewidgets as sw
        >>> random_like(sw.demo(), "resid_post.1@small", ["Mira saw a red boat."], n=1)[0].d_dict
        256
    """
    trained = scope.dictionaries[scope.key(dictionary)]
    x, y = _sample(scope, trained, as_rows(scope, texts))
    if len(x) < 2:
        raise CorpusError("Random dictionaries cannot be fitted to one token.", "Pass randoms= fitted to more text.")
    sparsity = max(1, round(float((trained.encode(x) != 0).sum(1).float().mean())))
    make = random_directions if trained.d_dict <= _FITTED else frozen_decoder
    x, y = x.cpu().float(), y.cpu().float()
    other: dict[str, Any] = {} if trained.site_in == trained.site_out else {"y": y, "site_out": trained.site_out}
    made = [
        make(x, trained.d_dict, sparsity, trained.site_in, seed=seed + i, **other).to(trained.device)
        for i in range(draws(n))
    ]
    return Randoms(made, random_source(scope.key(dictionary), texts, n, seed))


@torch.no_grad()
def _sample(scope: Scope, dictionary: Dictionary, rows: Iterable[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Values at the dictionary's two sites, tokens of all rows below one another."""
    sites = (dictionary.site_in, dictionary.site_out)
    found = []
    for ids in rows:
        values = scope.model.trace(list(ids), sites, logits=False).values
        found.append([values[site][0, first_token(scope, ids) :].to(dictionary.device) for site in sites])
    return torch.cat([pair[0] for pair in found]), torch.cat([pair[1] for pair in found])


def like_density(encoded: Encoded, taken: set[int], index: int, n: int, draw: np.random.Generator) -> list[int]:
    """`n` random features (with repeats where there are few) active on about as many tokens as `index`.

    Drawn from the twenty of nearest density that are active on this prompt and not `taken`.
    """
    counts = torch.bincount(encoded.sparse.index, minlength=encoded.sparse.d_dict)
    pool = [i for i in counts.nonzero()[:, 0].tolist() if i not in taken and i != index]
    pool.sort(key=lambda i: (abs(int(counts[i]) - int(counts[index])), i))
    return [int(i) for i in draw.choice(pool[:_POOL], n)] if pool else []


def as_large(delta: Tensor, like: Tensor) -> Tensor:
    """A change `[T, d]` of another dictionary, scaled to the norm of `like`: a control has no more room to act."""
    return delta * (like.norm() / delta.norm().clamp_min(1e-12)).to(delta)


def elsewhere(delta: Tensor, n: int, seed: int, first: int) -> list[Tensor]:
    """`n` times the same change of one token, each at another random token of the text.

    Args:
        delta: `[T, d]`, not zero at one token.
        n: How many; none where there is no other token.
        seed: Of the draw.
        first: The first token of the text.
    """
    place = int(delta.float().norm(dim=1).argmax())
    others = [t for t in range(first, len(delta)) if t != place]
    found = []
    for t in np.random.default_rng(seed).choice(others, n).tolist() if others else []:
        moved = torch.zeros_like(delta)
        moved[t] = delta[place]
        found.append(moved)
    return found


def same_norm(delta: Tensor, n: int, seed: int) -> list[Tensor]:
    """`n` changes of the same norm at each token as `delta` `[T, d]`, each in one random direction."""
    generator = torch.Generator().manual_seed(seed)
    size = delta.float().norm(dim=-1, keepdim=True).cpu()
    directions = torch.randn(n, delta.shape[-1], generator=generator)
    directions = directions / directions.norm(dim=1, keepdim=True)
    return [(size * direction).to(delta.device) for direction in directions]
