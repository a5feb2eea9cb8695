"""`ablate`, `scale`, `clamp`, `steer` and `patch`: the functions that make an edit. No torch here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from saewidgets.errors import EditError, shorten
from saewidgets.interventions.edits import Edit, Source
from saewidgets.interventions.targets import as_target


def ablate(
    target: Any, positions: Any = None, error: str = "keep", *, latents: str = "edit", mean_over: Any = None
) -> Edit:
    """Set something to zero, or to its mean over other texts: f' = 0.

    Args:
        target: A feature `"resid_post.2/17"`, a list of features edited as one, a `Direction`, a site
            `"resid_post.2"`, a head `"head.1.3"`, a pattern `"pattern.1.3"`, or an error term: `"resid_post.2/error"`,
            `"error.2"` that of the transcoder of layer 2.
        positions: Token positions; `None` for all, `"prompt"`, or `"generated"`.
        error: `"keep"` or `"drop"` the dictionary's error term.
        latents: `"edit"`, or `"re-encode"` what the edit made.
        mean_over: Texts or token ids; f' is then the mean of f over all their tokens but each one's first, whose
            activations are of another kind.

    Returns:
        The edit.

    Raises:
        FeatureError, SiteError: The target is malformed.
        EditError: An argument is out of range.

    Example:
        >>> ablate("resid_post.2/17", positions=[3])
        sw.ablate('resid_post.2/17', positions=[3])
        >>> ablate("head.1.3", mean_over=["Mira saw Tom."])
        sw.ablate('head.1.3', mean_over=['Mira saw Tom.'])
    """
    source = None if mean_over is None else Source(mean_over)
    return Edit(as_target(target), "ablate", 0.0, positions, error, latents=latents, source=source)


def scale(target: Any, factor: float, positions: Any = None, error: str = "keep", *, latents: str = "edit") -> Edit:
    """Multiply something: f' = factor f. Arguments and errors as in `ablate`.

    Example:
        >>> scale("resid_post.2/17", 2)
        sw.scale('resid_post.2/17', 2)
    """
    return Edit(as_target(target), "scale", factor, positions, error, latents=latents)


def clamp(
    target: Any,
    value: float,
    positions: Any = None,
    error: str = "keep",
    *,
    when_active: bool = False,
    latents: str = "edit",
) -> Edit:
    """Set a feature to a value: f' = value. Arguments and errors as in `ablate`.

    Args:
        target: A feature, a list of features, or a `Direction`.
        value: The activation.
        positions: As in `ablate`.
        error: As in `ablate`.
        when_active: Only where f > 0 (as in unlearning, Farrell et al. 2024); otherwise whether active or not.
        latents: As in `ablate`.

    Example:
        >>> clamp("resid_post.2/17", 8.0)
        sw.clamp('resid_post.2/17', 8)
        >>> clamp("resid_post.2/17", -5, when_active=True)
        sw.clamp('resid_post.2/17', -5, when_active=True)
    """
    return Edit(as_target(target), "clamp", value, positions, error, when_active=bool(when_active), latents=latents)


def steer(
    target: Any,
    strength: float,
    positions: Any = None,
    error: str = "keep",
    relative: bool = False,
    *,
    latents: str = "edit",
) -> Edit:
    """Add to a feature: `f' = f + strength`, or with `relative` `x' = x + strength |x| d / |d|`.

    Args:
        target: A feature, a list of features, or a `Direction`.
        strength: In units of activation (for a `Direction`: of the vector), or of the norm of x (additive steering,
            Templeton et al. 2024).
        positions: As in `ablate`.
        error: As in `ablate`.
        relative: Measure the strength in norms of the activation that is written to.
        latents: As in `ablate`.

    Returns:
        The edit.

    Example:
        >>> steer("resid_post.2/17", 0.5, relative=True)
        sw.steer('resid_post.2/17', 0.5, relative=True)
    """
    return Edit(as_target(target), "steer", strength, positions, error, bool(relative), latents=latents)


def patch(
    target: Any,
    source: Any,
    positions: Any = None,
    error: str = "keep",
    *,
    source_positions: Any = None,
    source_edits: Iterable[Edit] = (),
    latents: str = "edit",
) -> Edit:
    """Take the value from another run: f' = f of that run (activation patching).

    Args:
        target: As in `ablate`.
        source: Text or token ids of the other run, or a `Run`, whose edits are then made too.
        positions: Where to write; `None` for all tokens of a prompt as long as this one. Never generated tokens.
        error: As in `ablate`.
        source_positions: Where to read, one for each of `positions`; `None` for the same.
        source_edits: Made in the other run.
        latents: As in `ablate`.

    Returns:
        The edit.

    Raises:
        EditError: As many places are read as written, or it says so.

    Example:
        >>> patch("resid_post.2", "Tom saw Mira.", positions=[3])
        sw.patch('resid_post.2', 'Tom saw Mira.', positions=[3])
    """
    if hasattr(source, "token_ids"):
        if source.propagation != "free":
            raise EditError(f"A patch from a run that was {source.propagation}.", "Patch from one that was free.")
        source_edits = (*source.edits, *source_edits)
        source = source.prompt or source.token_ids
    if positions == "generated":
        raise EditError("A patch at generated tokens.", "Another run has no such tokens; give positions of the prompt.")
    if source_positions is not None:
        source_positions, positions = _paired(source_positions, positions)
    read = Source((source,), tuple(source_edits), source_positions)
    return Edit(as_target(target), "patch", 0.0, positions, error, latents=latents, source=read)


def _paired(read: Any, written: Any) -> tuple[Any, Any]:
    """Both as sorted tuples; they are kept sorted, so pairs that cross are refused."""
    if isinstance(written, str) or written is None:
        raise EditError("Places to read without places to write.", "Give positions= as well.")
    pairs = [(p,) if isinstance(p, int) else tuple(p) for p in (read, written)]
    order = sorted(range(len(pairs[1])), key=lambda i: pairs[1][i]) if len(pairs[0]) == len(pairs[1]) else None
    if order is None or [pairs[0][i] for i in order] != sorted(set(pairs[0])):
        raise EditError(f"Values of {shorten(read)} for {shorten(written)}.", "Give as many, in the same order.")
    return pairs[0], pairs[1]
