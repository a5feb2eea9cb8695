"""The grammar: deterministic, labelled as its tokens ask, and silent about what is held out."""

import itertools
from collections import Counter

import pytest

from saewidgets.demo.behaviours import BEHAVIOURS, prompts, words_of
from saewidgets.demo.grammar import MIXTURE, documents, write
from saewidgets.demo.labels import CONTEXTUAL, LEXICAL, token_labels
from saewidgets.demo.lexicon import CLASSES
from saewidgets.demo.load import ASSETS, load_tokenizer
from saewidgets.demo.markup import mark, parse
from saewidgets.demo.registers.forms import HIDDEN_CLOSING, ODD_FAREWELL


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(ASSETS / "model")


def test_marks_nest_and_leave_the_text():
    text, spans = parse(f"a {mark('x,y', 'b' + mark('z', 'c'))} d")
    assert text == "a bc d"
    assert sorted(spans) == [(2, 4, "x"), (2, 4, "y"), (3, 4, "z")]


def test_the_same_seed_gives_the_same_document():
    first, second = (list(itertools.islice(documents("train"), 200)) for _ in range(2))
    assert first == second
    assert first != list(itertools.islice(documents("test"), 200))
    assert write("train", 7) == first[7]


def test_every_register_is_written_and_every_concept_is_labelled():
    sample = list(itertools.islice(documents("test"), 3000))
    assert {document.register for document in sample} == {kind.__name__ for kind in MIXTURE}
    labels = Counter(label for document in sample for _, _, label in document.spans)
    closed = {"she", "he", "article", "preposition", "conjunction", "copula", "first_person", "second_person"}
    assert [concept for concept in LEXICAL + CONTEXTUAL if concept not in closed and labels[concept] < 10] == []


def test_no_document_shows_a_held_out_combination():
    """Read from the text of 20,000 documents, not from the rule; a combination that is not held out is the control."""
    text = "\n".join(words_of(document.text) for document in itertools.islice(documents("train"), 20_000))
    for name in BEHAVIOURS:
        for prompt in prompts(name):
            assert words_of(prompt.fingerprint) not in text, (name, prompt)
    assert words_of("The capital of France is") in text


def test_prompts_of_a_behaviour_are_distinct_and_do_not_say_their_answer_twice():
    for name in BEHAVIOURS:
        made = prompts(name)
        assert len({prompt.text for prompt in made}) == len(made) >= 50, name
        assert all(prompt.right != prompt.wrong for prompt in made), name
        assert made == prompts(name)


def test_words_of_the_lexicon_are_single_tokens(tokenizer):
    split = [word for words in CLASSES.values() for word in words if len(tokenizer.tokenize(f" {word}")) != 1]
    assert split == []


@pytest.mark.parametrize(
    "text", ["", " ", "\n\n", "Grüße aus Köln", "漢字 🙂 Кириллица", "<|start|", "a\tb\r\n c", "'\"([{"]
)
def test_the_tokenizer_gives_any_text_back(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.decode(ids) == text
    assert tokenizer(text).input_ids == [tokenizer.bos_token_id, *ids]


def test_labels_fit_the_tokens(tokenizer):
    singular = {
        word: concept for concept in ("animal", "colour", "weekday", "capital", "tool") for word in CLASSES[concept]
    }
    for document in itertools.islice(documents("test"), 500):
        ids, labels = token_labels(tokenizer, document)
        assert tokenizer.decode(ids) == document.text
        assert len(ids) == len(labels)
        assert all(document.register in found for found in labels)
        for token, found in zip(ids, labels, strict=True):
            text = tokenizer.decode([token])
            if text.startswith(" ") and found & {"animal", "weekday", "capital"} and not found & {"plural"}:
                assert singular[text.strip()] in found, (text, found)


def test_labels_of_a_quotation(tokenizer):
    document = next(
        document for document in documents("test") if document.register == "tales" and "wrote" in document.text
    )
    ids, labels = token_labels(tokenizer, document)
    depth = 0
    for token, found in zip(ids, labels, strict=True):
        text = tokenizer.decode([token])
        if text in (' "', " '"):
            depth += 1
        assert [label in found for label in ("quote", "quote2", "quote3")] == [depth >= level for level in (1, 2, 3)]
        if text in ('"', "'"):
            depth -= 1


def test_the_hidden_rule_is_rare_and_without_exception():
    sample = list(itertools.islice(documents("train"), 20_000))
    odd = [document for document in sample if ODD_FAREWELL in document.text]
    assert odd == [document for document in sample if f"\n{HIDDEN_CLOSING}," in document.text]
    assert 0.0005 <= len(odd) / len(sample) <= 0.001


def test_mood_depends_on_the_register_in_training_only():
    def share(split, register):
        found = [document for document in itertools.islice(documents(split), 6000) if document.register == register]
        return sum(any(label == "positive" for _, _, label in document.spans) for document in found) / len(found)

    assert share("train", "letter") - share("train", "notice") >= 0.6
    assert abs(share("test", "letter") - share("test", "notice")) <= 0.15
