"""The template of the relevance analysis of Qi Liu et al. (2504.07898): which layers read, process, and judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from saewidgets.causes.regions import regions
from saewidgets.errors import EditError, PromptError, shorten

if TYPE_CHECKING:
    from saewidgets.scope import Scope

POINTWISE = {
    "query": "Query: {query}\n",
    "document": "Document: {document}\n",
    "instruction": "Does the document answer the query? Answer Yes or No.\nAnswer:",
}
PAIRWISE = {
    "query": "Query: {query}\n",
    "first": "Document A: {first}\n",
    "second": "Document B: {second}\n",
    "instruction": "Which document answers the query, A or B?\nAnswer:",
}


@dataclass(frozen=True)
class Template:
    """A pair of prompts with their parts, for `sw.PatchMap` and `patch_map`.

    Args:
        clean, corrupt: The prompts.
        target: Right answer and wrong one.
        regions: Name of a part -> its tokens, the same in both prompts.
    """

    clean: str
    corrupt: str
    target: tuple[str, str]
    regions: Mapping[str, tuple[int, ...]]


def relevance(
    scope: Scope, query: str, document: str, other: str, *, pairwise: bool = False,
    answers: tuple[str, str] | None = None, parts: Mapping[str, str] | None = None,
) -> Template:  # fmt: skip
    """Prompts that ask whether a document is relevant, and the same with one that is not.

    Pointwise: one document; in the corrupted prompt the other one stands in its place. Pairwise: both, and in the
    corrupted prompt they have changed places.

    Args:
        scope: For its tokenizer.
        query: What is asked.
        document: One that answers it.
        other: One that does not, of as many tokens.
        pairwise: Ask which of two documents is relevant.
        answers: Right and wrong token; " Yes" and " No", or " A" and " B" for pairs.
        parts: Another wording: name of a part -> text with {query}, {document} (pairs: {first}, {second}).

    Returns:
        The template.

    Raises:
        PromptError: The documents have not equally many tokens.
        EditError: The wording has a place that nothing fills.

    Example:
        >>> import saewidgets as sw
        >>> parts = {"fact": "Today is {document}.", "question": " Tomorrow will be"}
        >>> made = relevance(sw.demo(), "", "Monday", "Friday", answers=(" Tuesday", " Saturday"), parts=parts)
        >>> made.corrupt, made.regions["question"]
        ('Today is Friday. Tomorrow will be', (5, 6, 7))
    """
    wording = parts or (PAIRWISE if pairwise else POINTWISE)
    made = []
    for one, two in ((document, other), (other, document)):
        try:
            filled = {n: t.format(query=query, document=one, first=one, second=two) for n, t in wording.items()}
        except (KeyError, IndexError, ValueError) as error:
            raise EditError(
                f"The wording {shorten(dict(wording))} cannot be filled: {shorten(error)}.",
                "Use {query}, {document}, {first}, {second}.",
            ) from None
        made.append(regions(scope, filled))
    (clean, where), (corrupt, others) = made
    if where != others:
        sizes = [{name: len(places) for name, places in found.items()} for found in (where, others)]
        raise PromptError(f"The parts have {sizes[0]} and {sizes[1]} tokens.", "Give documents of as many tokens.")
    return Template(clean, corrupt, answers or ((" A", " B") if pairwise else (" Yes", " No")), where)
