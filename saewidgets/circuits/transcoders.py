"""The transcoders of a model, layer by layer: where each reads, what its features are, where and what they write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from saewidgets.dictionaries import CrossLayerTranscoder, Dictionary
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.sparse import SparseActivations
from saewidgets.errors import DictionaryError
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.scope import Scope

_READS = ("mlp_in", "resid_mid")


@dataclass(frozen=True, eq=False)
class LayerTranscoder:
    """The features of one layer, whatever holds their weights.

    Args:
        layer: Whose MLP it stands for.
        key: Dictionary part of the features' ids.
        site_in: Where it reads.
        source: The dictionary.
    """

    layer: int
    key: str
    site_in: Site
    source: FeedForward | CrossLayerTranscoder
    place: int = 0

    def encode(self, x: Tensor) -> SparseActivations:
        """The active features of `[tokens, d]` at `site_in`."""
        if isinstance(self.source, FeedForward):
            return self.source.encode_sparse(x)
        return SparseActivations.from_dense(self.source.encode_layer(self.place, x))

    def readers(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """What some features read: pre-activation = `x @ vectors.T + bias`, on the scale of the activations.

        Args:
            index: `[n]` features.

        Returns:
            `[n, d]` vectors and `[n]` biases, float32.
        """
        d, n = self.source, self.place
        if isinstance(d, FeedForward):
            columns = d.W_enc[:, index].float()
            bias = d.b_enc[index].float()
            bias = bias if d.b_in is None else bias - d.b_in.float() @ columns
            columns = columns * d.norm.factor
            scale = None if d.value_scale is None else d.value_scale[index].float()
        else:
            columns, bias = d.W_enc[n][:, index].float(), d.b_enc[n][index].float()
            scale = d.value_scale[n][index].float() if d.value_scale else None
        if scale is not None:
            columns, bias = columns * scale, bias * scale
        return columns.T.contiguous(), bias

    def rows(self, index: Tensor) -> dict[int, Tensor]:
        """Layer -> `[n, d]`: what one unit of each of some features adds to that layer's MLP output."""
        if isinstance(self.source, FeedForward):
            return {self.layer: self.source.rows(index)}
        found = self.source.layer_rows(self.place, index)
        layers = [site.layer or 0 for site in self.source.sites_out[self.place :]]
        return {layer: found[:, n].contiguous() for n, layer in enumerate(layers)}

    @property
    def bias(self) -> Tensor:
        """`[d]` what is written whatever the input."""
        d = self.source
        return d.b_dec.float() if isinstance(d, FeedForward) else d.b_dec[self.place].float()

    @property
    def skip(self) -> Tensor | None:
        """`[d, d]` of a skip transcoder: what it reads times this is written too."""
        d = self.source
        if isinstance(d, FeedForward):
            return None if d.W_skip is None else d.W_skip.float()
        return d.W_skip[self.place].float() if d.W_skip else None


def layer_transcoders(dictionaries: Mapping[str, Dictionary]) -> dict[int, LayerTranscoder]:
    """Layer -> its transcoder.

    Args:
        dictionaries: Key -> dictionary; those that are no transcoders are left out.

    Raises:
        DictionaryError: None is a transcoder, two stand for one MLP, or one cannot be attributed to.
    """
    found: dict[int, LayerTranscoder] = {}
    for key, dictionary in dictionaries.items():
        for one in _of(key, dictionary):
            if one.layer in found:
                raise DictionaryError(
                    f"{found[one.layer].key} and {one.key} both stand for the MLP of layer {one.layer}.",
                    "Pass dictionaries= with one of them.",
                )
            found[one.layer] = one
    if not found:
        raise DictionaryError(
            "There is no transcoder: none of the dictionaries reads before an MLP and writes behind it.",
            "Load transcoders, or use method='sae-gradient' on autoencoders.",
        )
    return dict(sorted(found.items()))


def dictionaries_of(
    scope: Scope, given: Dictionary | Sequence[Dictionary] | Mapping[str, Dictionary] | None
) -> dict[str, Dictionary]:
    """What a person passes as `dictionaries=`, by key; all of the scope's for `None`."""
    return {**scope.dictionaries, **scope.cross_layer} if given is None else as_mapping(given)


def as_mapping(dictionaries: Dictionary | Sequence[Dictionary] | Mapping[str, Dictionary]) -> dict[str, Dictionary]:
    """What a person passes as `dictionaries=`, by key."""
    if isinstance(dictionaries, Mapping):
        return dict(dictionaries)
    given = [dictionaries] if isinstance(dictionaries, Dictionary) else list(dictionaries)
    named = {str(dictionary.site_in): dictionary for dictionary in given}
    if len(named) != len(given):
        raise DictionaryError("Two dictionaries read at one site.", "Pass a mapping with keys like 'mlp_in.2@second'.")
    return named


def _of(key: str, dictionary: Dictionary) -> list[LayerTranscoder]:
    if isinstance(dictionary, CrossLayerTranscoder):
        name = key.partition("@")[1] + key.partition("@")[2]
        pairs = list(zip(dictionary.sites_in, dictionary.sites_out, strict=True))
        for site_in, site_out in pairs:
            _check(key, site_in, site_out)
        return [
            LayerTranscoder(site_out.layer or 0, f"{site_in}{name}", site_in, dictionary, n)
            for n, (site_in, site_out) in enumerate(pairs)
        ]
    if dictionary.site_in == dictionary.site_out or dictionary.site_out.stream != "mlp_out":
        return []
    _check(key, dictionary.site_in, dictionary.site_out)
    if not isinstance(dictionary, FeedForward) or dictionary.norm.per_token:
        raise DictionaryError(
            f"{key} is a {dictionary.architecture} dictionary, which is not linear before its nonlinearity.",
            "Attribution takes plain, skip and cross-layer transcoders without a norm of each token.",
        )
    return [LayerTranscoder(dictionary.site_out.layer or 0, key, dictionary.site_in, dictionary)]


def _check(key: str, site_in: Site, site_out: Site) -> None:
    if site_in.stream not in _READS or site_out.stream != "mlp_out" or site_in.layer != site_out.layer:
        raise DictionaryError(
            f"The transcoder {key} reads {site_in} and writes {site_out}.",
            "Attribution takes those that stand for one MLP: from mlp_in or resid_mid to mlp_out of the same layer.",
        )
