"""`Questions`: what a format must know, who answered it, and the refusal when nobody did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from saewidgets.dictionaries.card import Card, Finding
from saewidgets.dictionaries.formats.files import Files
from saewidgets.errors import DictionaryError, SiteError, shorten
from saewidgets.sites import Site


class Questions:
    """The conventions of one dictionary, answered one by one.

    The user's argument counts first, then the files, then the format's own definition. What is still open is assumed
    only if `strict` is off, and stands on the card as an assumption.

    Args:
        files: Where the answers are looked for.
        given: Arguments of `load_dictionary` that answer questions; None for not given.
        strict: Refuse what is open.
    """

    def __init__(self, files: Files, given: Mapping[str, Any], strict: bool) -> None:
        self.files = files
        self.given = given
        self.strict = strict
        self.findings: list[Finding] = []
        self.warnings: list[str] = []

    def note(self, question: str, answer: object, where: str) -> None:
        """Put an answer on the card."""
        self.findings.append(Finding(question, str(answer), where))

    def define(self, **answers: str) -> None:
        """Put on the card what the format itself defines."""
        for question, answer in answers.items():
            self.note(question.replace("_", " "), answer, "by format")

    def warn(self, sentence: str) -> None:
        """Put a warning on the card."""
        self.warnings.append(sentence)

    def settle(
        self, question: str, argument: str, found: Any = None, where: str = "", assume: Any = None, why: str = ""
    ) -> Any:
        """The answer to one question, put on the card.

        Args:
            question: As it stands on the card, e.g. "norm factor".
            argument: The argument of `load_dictionary` that answers it.
            found: What the files say; None when they say nothing.
            where: File and key of `found`.
            assume: What to assume when nothing says and `strict` is off; None when nothing can be assumed.
            why: Why that is likely.

        Returns:
            The answer.

        Raises:
            DictionaryError: Nobody answered.
        """
        if self.given.get(argument) is not None:
            answer, where = self.given[argument], f"argument {argument}"
        elif found is not None:
            answer = found
        elif assume is not None and not self.strict:
            answer, where = assume, f"assumed: {why}"
        else:
            hint = f" (strict=False assumes {shorten(assume)}: {why})" if assume is not None else ""
            raise DictionaryError(
                f"{shorten(self.files.source)} does not say its {question}.", f"Pass {argument}={hint}."
            )
        self.note(question, answer, where)
        return answer

    def site(
        self,
        argument: str,
        found: Any = None,
        where: str = "",
        assume: str = "resid_post.0",
        why: str = "a place must be named",
        model: str = "",
    ) -> Site:
        """Where it reads (`argument` "site") or writes ("site_out").

        Args:
            argument: "site" or "site_out".
            found: Our own name, a TransformerLens hook name, or a Hugging Face module path; None for not said.
            where: File and key of `found`.
            assume: The site to assume when nothing says and `strict` is off.
            why: Why that is likely.
            model: Name of the model, which a module path may need.

        Raises:
            DictionaryError: Nobody says, or the name is none of a site.
        """
        question = "site_in" if argument == "site" else "site_out"
        name = self.settle(question, argument, found, where, assume, why)
        try:
            site = _read_site(name, model)
            self.findings[-1] = replace(self.findings[-1], answer=str(site))
            return site
        except SiteError as error:
            if self.strict or self.given.get(argument) is not None:
                raise DictionaryError(error.what, f"Pass {argument}= with one of our sites.") from None
        self.note(question, assume, f"assumed: {shorten(name)} is no site of ours")
        return Site.parse(assume)

    def card(self, format: str) -> Card:
        """The load card of everything settled so far."""
        return Card(
            format, self.files.source, tuple(self.findings), tuple(self.warnings), tuple(dict.fromkeys(self.files.read))
        )


def _read_site(name: Any, model: str) -> Site:
    try:
        return Site.parse(name)
    except SiteError as error:
        try:
            return Site.of_module(str(name), model)
        except SiteError:
            raise error from None
