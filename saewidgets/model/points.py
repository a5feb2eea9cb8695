"""From sites to modules of one model, and from every spelling of a place to its `Site`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from saewidgets.errors import ModelError, SiteError, shorten
from saewidgets.model.families import Family
from saewidgets.sites import MODEL_STREAMS, Site


@dataclass(frozen=True)
class Point:
    """Where one site is in one model.

    Args:
        site: The site.
        path: Dotted path of the module.
        reads_input: The value is the module's first input; otherwise its output.
    """

    site: Site
    path: str
    reads_input: bool

    @property
    def in_place(self) -> bool:
        """Whether a write must change the tensor itself.

        Between attention and MLP the block keeps a second reference to the residual stream, out of reach of any
        module; a new tensor handed to the norm would leave that one as it was.
        """
        return self.site.stream == "resid_mid"


def find_points(family: Family, module: Any) -> dict[Site, Point]:
    """Every site that this module has.

    Args:
        family: Where streams are.
        module: The model.

    Returns:
        Site -> point, in the order in which a forward pass reaches them.

    Raises:
        ModelError: A place of the family is not in the model.
    """
    layers = _count_layers(family, module)
    points = []
    for stream, place in family.places.items():
        for layer in [None] if stream in MODEL_STREAMS else range(layers):
            path, _, side = place.format(layer=layer).rpartition(".")
            _module_at(module, path, stream)
            points.append(Point(Site(stream, layer), path, side == "input"))
    return {point.site: point for point in sorted(points, key=lambda point: point.site.order)}


def _module_at(module: Any, path: str, stream: str) -> Any:
    try:
        return module.get_submodule(path)
    except AttributeError:
        raise ModelError(
            f"{type(module).__name__} has no module {shorten(path)}, where stream {stream!r} should be.",
            "Pass sites= with the module paths of this model (see `print(model)`).",
        ) from None


def _count_layers(family: Family, module: Any) -> int:
    """Length of the list of blocks, read off the model and not off its config, which may lie."""
    for stream, place in family.places.items():
        if stream not in MODEL_STREAMS:
            return len(_module_at(module, place.split(".{layer}")[0], stream))
    return 0


class Names:
    """Reads every accepted spelling of a place in one model.

    Args:
        points: What the model has.
        patterns: Sites without a module path of their own: what goes on inside attention.
    """

    def __init__(self, points: Mapping[Site, Point], patterns: Iterable[Site] = ()) -> None:
        self._sites = tuple(sorted((*points, *patterns), key=lambda site: site.order))
        self._paths = {
            f"{point.path}.{'input' if point.reads_input else 'output'}": site for site, point in points.items()
        }
        # A bare module path means its output: "model.layers.5.mlp" is what that MLP returns.
        self._paths |= {point.path: site for site, point in points.items() if not point.reads_input}

    def read(self, name: str | Site) -> Site:
        """The site that a name means in this model.

        Args:
            name: Our own name, a TransformerLens hook name, or a Hugging Face module path.

        Returns:
            A site this model has.

        Raises:
            SiteError: It means nothing here; the message lists what exists.
        """
        if isinstance(name, Site) and name in self._sites:
            return name
        if isinstance(name, str) and name in self._paths:
            return self._paths[name]
        try:
            site = Site.parse(name)
        except SiteError as error:
            raise SiteError(error.what, self._listing()) from None
        if site not in self._sites:
            raise SiteError(f"This model has no site {str(site)!r}.", self._listing())
        return site

    def _listing(self) -> str:
        return f"It has {', '.join(_ranges(self._sites))}."


def _ranges(sites: Iterable[Site]) -> list[str]:
    """`["embed", "resid_post.0-11"]`: short enough to stand in an error."""
    layers: dict[str, list[int]] = {}
    for site in sites:
        layers.setdefault(site.stream, []).extend([] if site.layer is None else [site.layer])
    return [stream if not found else f"{stream}.0-{max(found)}" for stream, found in layers.items()]
