"""The short way to the Rust tokenizer gives what the tokenizer's own call gives, and is left where they differ."""

import copy

import pytest

import saewidgets as sw
from saewidgets.model.tokens import _plain_backend, encode
from tests.attacks.hostile import STRINGS

TOKENIZER = sw.demo().model.tokenizer


def by_the_call(text: str, tokenizer: object) -> list[int]:
    clean = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return list(tokenizer(clean, add_special_tokens=True, verbose=False)["input_ids"])  # type: ignore[operator]


@pytest.mark.parametrize("text", [*filter(None, STRINGS), "Mira saw a red boat. ", "<bos> and <eos>"])
def test_the_ids_are_those_of_the_call(text: str) -> None:
    assert _plain_backend(TOKENIZER) is not None
    assert encode(text, TOKENIZER, None) == by_the_call(text, TOKENIZER)


def test_a_tokenizer_that_cuts_or_splits_is_called_itself() -> None:
    cut, split, own = (copy.deepcopy(TOKENIZER) for _ in range(3))
    cut.backend_tokenizer.enable_truncation(3)
    split.split_special_tokens = True
    own.__class__ = type("Own", (type(TOKENIZER),), {"__call__": lambda self, *a, **k: {"input_ids": [7, 8, 9, 9]}})
    for tokenizer in (cut, split, own):
        assert _plain_backend(tokenizer) is None
    # The call takes the truncation of an earlier call away again.
    assert encode("a red boat on the pond", cut, None) == by_the_call("a red boat on the pond", TOKENIZER)
    assert encode("<bos> a", split, None) == by_the_call("<bos> a", split)
    assert encode("anything", own, None) == [7, 8, 9, 9]
