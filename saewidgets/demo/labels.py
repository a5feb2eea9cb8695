"""Labels per token: the spans of the grammar, and closed classes that the text of a token tells alone."""

from __future__ import annotations

from transformers import PreTrainedTokenizerFast

from saewidgets.demo.grammar import Document

#: Closed classes of English, by the text of the token. Only where no other language is spoken.
CLOSED: dict[str, frozenset[str]] = {
    name: frozenset(words.split())
    for name, words in {
        "article": "a an the A An The",
        "she": "she She her Her",
        "he": "he He his His him",
        "preposition": (
            "in on at to from near with into behind under over by of for In On At After Before until next beside "
            "across through"
        ),
        "conjunction": "and but or because so when while that",
        "copula": "is was are were be been am",
        "generic": "animal bird tool fruit flower",
        "stop": ". ! ?",
        "comma": ",",
        "first_person": "I my we our us me My We Our",
        "second_person": "you your You Your",
    }.items()
}
#: Concepts to look for in single features: classes of words ...
LEXICAL = tuple(
    "colour size material happy sad feeling good bad animal bird creature tool clothing fruit instrument toy object "
    "food vehicle flower furniture container body place room weather weekday month number digit female_role "
    "male_role person profession country capital female male name manner state speech verb she he article "
    "preposition conjunction copula first_person second_person plural".split()
)
#: ... and what holds over a stretch of text and cannot be read off a token.
CONTEXTUAL = tuple(
    "quote quote2 quote3 bracket bracket2 bracket3 bracket4 negation question german french spanish code list recipe "
    "letter notice forecast sums copy drill counting positive negative nonsense tales".split()
)


#: What a reader sees, where the name of the concept alone would puzzle.
NAMES = {
    "size": "sizes", "happy": "happy feelings", "sad": "sad feelings", "feeling": "feelings", "good": "words of praise",
    "bad": "words of blame", "animal": "animals", "bird": "birds", "creature": "animals and birds", "tool": "tools",
    "fruit": "fruit", "instrument": "instruments", "object": "things", "vehicle": "vehicles", "flower": "flowers",
    "container": "containers", "place": "places", "room": "rooms", "weekday": "weekdays", "month": "months",
    "number": "number words", "digit": "digits", "female_role": "women in roles", "male_role": "men in roles",
    "person": "people in roles", "profession": "professions", "country": "countries", "capital": "capitals",
    "female": "women's names", "male": "men's names", "name": "names", "state": "states of things",
    "speech": "verbs of speaking", "verb": "verbs", "she": "she, her", "he": "he, his", "first_person": "I, we",
    "second_person": "you", "plural": "plural nouns", "quote": "inside a quotation",
    "quote2": "quotation in a quotation",
    "bracket": "inside brackets", "german": "German text", "french": "French text", "spanish": "Spanish text",
    "code": "code", "list": "a list", "recipe": "a recipe", "letter": "inside a letter", "notice": "inside a notice",
    "copy": "words said again", "drill": "lists said again", "nonsense": "nonsense words", "colour": "colours",
}  # fmt: skip


def token_labels(tokenizer: PreTrainedTokenizerFast, document: Document) -> tuple[list[int], list[frozenset[str]]]:
    """The tokens of a document and what each of them is.

    A token has the labels of its first character that is not white space.

    Returns:
        Token ids and as many label sets.
    """
    encoding = tokenizer.backend_tokenizer.encode(document.text, add_special_tokens=False)
    by_character: list[set[str]] = [set() for _ in document.text]
    for start, end, label in document.spans:
        for position in range(start, end):
            by_character[position].add(label)
    labels = []
    for start, end in encoding.offsets:
        text = document.text[start:end]
        first = start + len(text) - len(text.lstrip()) if text.strip() else start
        found = set(by_character[first])
        if not found & {"german", "french", "spanish", "translated", "code"}:
            found |= {name for name, words in CLOSED.items() if text.strip() in words}
        labels.append(frozenset(found))
    return list(encoding.ids), labels
