"""Edits of the features of one dictionary: what becomes of the activations, and of what the dictionary writes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from saewidgets.dictionaries import Dictionary
from saewidgets.interventions.edits import Edit
from saewidgets.interventions.references import References, Values, mean_of

NONE = References()


def edit_features(
    dictionary: Dictionary,
    edits: Sequence[Edit],
    features: Tensor,
    x_in: Tensor,
    x_out: Tensor,
    offset: int,
    references: References = NONE,
    columns: Sequence[int] | None = None,
) -> Tensor:
    """Apply edits to an encoding.

    Args:
        dictionary: Whose features these are.
        edits: Edits on this dictionary, in order, each of one feature; those of its error term change none.
        features: `[..., tokens, d_dict]` activations, or of `columns` only.
        x_in: `[..., tokens, d_in]` at `site_in`.
        x_out: `[..., tokens, d_out]` at `site_out`; both for norm-relative steering.
        offset: Prompt position of the first token.
        references: What the edits take from elsewhere.
        columns: The features that the columns of `features` are; `None` for all.

    Returns:
        A new tensor, the edited activations.
    """
    edited = features.clone()
    for edit in edits:
        if edit.feature is None:
            continue
        index = edit.feature.index if columns is None else columns.index(edit.feature.index)
        rows = references.rows(edit, features.shape[-2], offset)
        column = edited[..., rows, index]
        if edit.source is not None:
            column = _from_source(dictionary, edit, features.shape[-2], offset, references).to(column).expand_as(column)
        elif edit.kind in ("ablate", "clamp"):
            value = torch.full_like(column, edit.value)
            column = torch.where(column > 0, value, column) if edit.when_active else value
        elif edit.kind == "scale":
            column = column * edit.value
        elif edit.relative:
            step = x_out[..., rows, :].norm(dim=-1) / dictionary.rows([edit.feature.index]).norm()
            # One that normalises each token multiplies what it writes by this.
            scale = dictionary.scale(x_in[..., rows, :])
            column = column + edit.value * (step if scale is None else step / scale[..., 0]).to(column.dtype)
        else:
            column = column + edit.value
        edited[..., rows, index] = column
    return edited


def _from_source(
    dictionary: Dictionary, edit: Edit, tokens: int, offset: int, references: References
) -> Tensor:  # fmt: skip
    """`[]` mean, or `[tokens edited]` activations of one feature in other runs."""
    assert edit.source is not None and edit.feature is not None
    runs = [run[dictionary.site_in].to(dictionary.device) for run in references.runs[edit.source]]
    found = [dictionary.encode(x)[..., edit.feature.index] for x in runs]
    if edit.kind == "ablate":
        return mean_of([f[..., None] for f in found])[0]
    return found[0][0, references.read(edit, tokens, offset)]


class Columns:
    """The edited features alone: all that is read of a dictionary whose error term and latents stay as they are.

    Args:
        dictionary: Whose features these are.
        edits: Each of one of its features.
    """

    def __init__(self, dictionary: Dictionary, edits: Sequence[Edit]) -> None:
        self.index = sorted({edit.feature.index for edit in edits if edit.feature})
        self.directions = dictionary.rows(self.index)
        # What steering adds does not depend on the activations: nothing is encoded for it.
        encoded = any(edit.kind != "steer" for edit in edits)
        self._encode = dictionary.encoder_of(self.index) if encoded else None

    @classmethod
    def of(cls, dictionary: Dictionary, edits: Sequence[Edit]) -> Columns | None:
        """`None` where the edits need the whole dictionary, or are of its error term alone."""
        local = edits[0].error == "keep" and edits[0].latents == "edit" and any(edit.feature for edit in edits)
        return cls(dictionary, edits) if local else None

    def encode(self, x: Tensor) -> Tensor:
        """`[..., columns]` activations of `[..., d_in]`; zeros where they do not matter."""
        return (
            x.new_zeros(*x.shape[:-1], len(self.index), dtype=torch.float32)
            if self._encode is None
            else self._encode(x)
        )


def write_dictionary(
    dictionary: Dictionary,
    edits: Sequence[Edit],
    x_in: Tensor,
    x_out: Tensor,
    offset: int,
    references: References = NONE,
    columns: Columns | None = None,
) -> Tensor:
    """The activation at `site_out` under the edits on one dictionary.

    Args:
        dictionary: The one edited.
        edits: Edits on it, in order, each of one feature or of its error term; they agree about error term and latents.
        x_in: `[..., tokens, d_in]` at `site_in`.
        x_out: `[..., tokens, d_out]` at `site_out`.
        offset: Prompt position of the first token.
        references: What the edits take from elsewhere.
        columns: `Columns.of(dictionary, edits)`, if it is known already.

    Returns:
        `[..., tokens, d_out]`, where nothing is edited the values of `x_out`.
    """
    terms = [edit for edit in edits if edit.feature is None]
    if terms:
        own = [edit for edit in edits if edit.feature is not None]
        written = write_dictionary(dictionary, own, x_in, x_out, offset, references) if own else x_out
        return (written + _of_error(dictionary, terms, x_in, x_out, offset, references)).to(x_out.dtype)
    source = x_in.to(dictionary.device)
    target = x_out.to(dictionary.device)
    columns = columns or Columns.of(dictionary, edits)
    if columns is not None:
        features = columns.encode(source)
        edited = edit_features(dictionary, edits, features, source, target, offset, references, columns.index)
        change = (edited - features) @ columns.directions
        scale = dictionary.scale(source)
        change = change if scale is None else change * scale
        return (x_out + change.to(x_out.device, x_out.dtype)).to(x_out.dtype)
    features = dictionary.encode(source)
    edited = edit_features(dictionary, edits, features, source, target, offset, references)
    result = x_out.clone()
    decoded = dictionary.decode(edited, source)
    if edits[0].latents == "re-encode":
        error = target - dictionary.decode(features, source)
        kept = edits[0].error == "keep"
        decoded = dictionary.reconstruct(decoded + error if kept else decoded) + (error if kept else 0)
    decoded = decoded.to(x_out.device, x_out.dtype)
    for edit in edits:
        rows = references.rows(edit, x_out.shape[-2], offset)
        result[..., rows, :] = decoded[..., rows, :]
    return result


def _of_error(
    dictionary: Dictionary, edits: Sequence[Edit], x_in: Tensor, x_out: Tensor, offset: int, references: References
) -> Tensor:
    """What edits of the error term add: (factor - 1) times the error."""
    factor = torch.ones(x_out.shape[-2], 1, device=x_out.device)
    for edit in edits:
        factor[references.rows(edit, x_out.shape[-2], offset)] *= edit.value
    source = x_in.to(dictionary.device)
    error = x_out - dictionary.decode(dictionary.encode(source), source).to(x_out)
    return (factor - 1) * error


def final_features(
    dictionary: Dictionary,
    edits: Sequence[Edit],
    x_in: Tensor,
    x_out: Tensor,
    offset: int,
    references: References = NONE,
) -> Tensor:
    """`[..., tokens, d_dict]`: the activations that the edits on one dictionary end in. Arguments as above."""
    features = dictionary.encode(x_in)
    edited = edit_features(dictionary, edits, features, x_in, x_out, offset, references)
    if edits[0].latents == "edit":
        return edited
    made = dictionary.decode(edited, x_in)
    if edits[0].error == "keep":
        made = made + x_out - dictionary.decode(features, x_in)
    again = dictionary.encode(made)
    for edit in edits:
        rows = references.rows(edit, x_out.shape[-2], offset)
        features[..., rows, :] = again[..., rows, :]
    return features


class DictionaryStep:
    """All edits on one dictionary, as one step at its `site_out`.

    Args:
        key: Of the dictionary in the scope.
        dictionary: The one edited.
        edits: On it, in order, each of one feature.
        references: What they take from elsewhere.
    """

    def __init__(self, key: str, dictionary: Dictionary, edits: tuple[Edit, ...], references: References) -> None:
        self.key = key
        self.dictionary = dictionary
        self.edits = edits
        self.references = references
        self.reads = {dictionary.site_in} - {dictionary.site_out}
        self._columns = Columns.of(dictionary, edits)

    def source(self, value: Tensor, values: Values) -> Tensor:
        """What the dictionary encodes, where the site holds `value`."""
        here = self.dictionary.site_in == self.dictionary.site_out
        return value if here else values[self.dictionary.site_in]

    def __call__(self, value: Tensor, values: Values, offset: int) -> Tensor:
        """`[..., tokens, d]` at the site -> the same under the edits."""
        if not self.references.touch(self.edits, value.shape[-2], offset):
            return value
        source = self.source(value, values)
        return write_dictionary(self.dictionary, self.edits, source, value, offset, self.references, self._columns)
