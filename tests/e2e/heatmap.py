"""A `TokenHeatmap` on a page: what a person sees in it and does to it. The only place that knows its markup."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Locator, expect

MINUS = "\u2212"


@dataclass(frozen=True)
class Prediction:
    """One row of "Next token": as printed, two decimals; `before` and `change` only under an edit."""

    word: str
    probability: float
    before: float | None = None
    change: float | None = None


def number(text: str) -> float:
    """A number as the view writes it."""
    return float(text.replace(MINUS, "-").replace("\u202f", "").replace("×", ""))


class Heatmap:
    """The heatmaps inside a part of the page; the first one unless said otherwise.

    Args:
        place: A cell, or the page's body.
        index: Which, when there are several.
    """

    def __init__(self, place: Locator, index: int = 0) -> None:
        self.host = place.locator(".saewidgets").nth(index)
        self.page = place.page
        self.root = self.host.locator(".sw")
        self.tokens = self.host.get_by_role("listbox", name="Tokens of the prompt")
        self.editor = self.host.get_by_role("textbox", name="Prompt", exact=True)
        self.alert = self.host.get_by_role("alert")
        self.next_token = self.host.get_by_role("region", name="Next token")
        self.strongest = self.host.get_by_role("region", name="Strongest features")
        self.features = self.host.get_by_role("region", name="Features and edits")
        self.search = self.host.get_by_role("combobox", name="Add a feature")
        self.hits = self.host.get_by_role("listbox", name="Features found").get_by_role("option")
        self.after = self.host.get_by_role("listbox", name="Tokens after the edits")
        self.status = self.host.locator(".status")

    # -- waiting -------------------------------------------------------------------------------------------------------

    def settled(self, timeout: float = 30_000) -> Heatmap:
        """Wait until the picture shows what was asked last."""
        expect(self.host).to_have_attribute("data-busy", "false", timeout=timeout)
        return self

    def drawn(self, timeout: float = 30_000) -> Heatmap:
        """Wait until there is a picture."""
        self.token(0).wait_for(timeout=timeout)
        return self.settled(timeout)

    # -- what is seen --------------------------------------------------------------------------------------------------

    def token(self, position: int) -> Locator:
        """A token of the strip (of the one before the edits)."""
        return self.tokens.locator(".t").nth(position)

    def words(self) -> list[str]:
        """The text of every token as drawn."""
        return self.tokens.locator(".t").evaluate_all(
            "(all) => all.map((t) => [...t.childNodes].filter((n) => !/^(ln|dots|was)/.test(n.className ?? ''))"
            ".map((n) => n.textContent).join(''))"
        )

    def colours(self) -> list[str]:
        """The background of every token."""
        return self.tokens.locator(".t").evaluate_all("(all) => all.map((t) => getComputedStyle(t).backgroundColor)")

    def predictions(self) -> list[Prediction]:
        """The rows of "Next token"."""
        rows = self.next_token.locator(".prow").evaluate_all(
            "(rows) => rows.map((r) => [r.querySelector('.tk').textContent,"
            " ...[...r.querySelectorAll('.num')].map((n) => n.textContent)])"
        )
        result = []
        for word, *numbers in rows:
            values = [number(text) for text in numbers]
            if len(values) == 1:
                result.append(Prediction(word, values[0]))
            else:
                before, probability, change = values
                result.append(Prediction(word, probability, before, change))
        return result

    def divergence(self) -> float:
        """KL in nats, as printed."""
        return number(self.next_token.locator(".kl b").inner_text())

    def chip(self, letter: str) -> Locator:
        """The row of a chosen feature."""
        return self.features.get_by_role("group", name=f"Feature {letter},")

    def letters(self) -> list[str]:
        """Letters of the chosen features."""
        return self.features.locator(".mx .key").all_inner_texts()

    # -- what is done --------------------------------------------------------------------------------------------------

    def edit(self) -> None:
        """Put the caret at the end of the text, by keyboard."""
        self.tokens.focus()
        self.page.keyboard.press("End")
        self.page.keyboard.press("Enter")
        expect(self.editor).to_be_focused()

    def type(self, text: str) -> None:
        """Type at the caret, key by key."""
        self.page.keyboard.type(text)

    def add(self, feature: str) -> None:
        """Search a feature by its id and choose it."""
        self.search.fill(feature)
        expect(self.hits.first).to_contain_text(feature)
        self.search.press("Enter")

    def ablate(self, letter: str) -> None:
        """Press the button that ablates a feature."""
        self.chip(letter).get_by_role("button", name=f"Ablate {letter}").click()

    def layer(self, number: int) -> None:
        """Go to the dictionary of a layer."""
        self.host.get_by_role("radiogroup", name="Layer").get_by_role("radio", name=str(number), exact=True).click()
