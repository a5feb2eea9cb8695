"""Token text: bytes, special tokens, characters cut into several tokens."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from saewidgets.payloads.heatmap import CONTINUATION, PLAIN, SPECIAL, SPLIT
from saewidgets.runs.tokens import payload_tokens, token_bytes, token_strings


@pytest.fixture(scope="module")
def byte_level():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {piece: i for i, piece in enumerate(["<s>", *alphabet, "Ġa", "ab"])}
    tokenizer = Tokenizer(models.BPE(vocab, [("Ġ", "a"), ("a", "b")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>")


@pytest.fixture(scope="module")
def byte_fallback():
    pieces = ["<unk>", "<s>", *[f"<0x{b:02X}>" for b in range(256)], "▁a", "boat", "▁"]
    tokenizer = Tokenizer(models.BPE({p: i for i, p in enumerate(pieces)}, [], unk_token="<unk>", byte_fallback=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>")


TEXTS = ["ab a\n\tb", "Ж🦊漢字", "é" * 3, " \x00\u202e", "<script>alert(1)</script>", "👩‍👩‍👧"]


@pytest.mark.parametrize("text", TEXTS)
def test_bytes_join_to_the_text(byte_level, text):
    ids = byte_level(text)["input_ids"]
    assert b"".join(token_bytes(byte_level, ids)).decode() == text


@pytest.mark.parametrize("text", TEXTS)
def test_split_characters_are_drawn_once_and_keep_their_bytes(byte_level, text):
    ids = [byte_level.bos_token_id, *byte_level(text)["input_ids"]]
    tokens = payload_tokens(byte_level, ids)
    assert tokens.kind[0] == SPECIAL and tokens.text[0] == "bos"
    assert "".join(tokens.text[1:]) == text
    hexes = iter(tokens.pieces)
    for n in range(1, len(ids)):
        if tokens.kind[n] == CONTINUATION:
            assert tokens.text[n] == ""
        if tokens.kind[n] >= SPLIT:
            assert bytes.fromhex(next(hexes)) == token_bytes(byte_level, [ids[n]])[0]
    assert next(hexes, None) is None


def test_the_fox_is_four_tokens(byte_level):
    tokens = payload_tokens(byte_level, byte_level("🦊")["input_ids"])
    assert tokens.kind.tolist() == [SPLIT] + [CONTINUATION] * 3
    assert tokens.text == ("🦊", "", "", "")
    assert tokens.pieces == ("F0", "9F", "A6", "8A")


def test_bytes_that_are_no_character_are_shown_as_such(byte_level):
    ids = byte_level("🦊")["input_ids"][:2] + byte_level("a")["input_ids"]
    tokens = payload_tokens(byte_level, ids)
    assert tokens.text == ("\ufffd", "\ufffd", "a")
    assert tokens.kind.tolist() == [SPLIT, SPLIT, PLAIN]


def test_byte_fallback_vocabularies(byte_fallback):
    ids = byte_fallback.convert_tokens_to_ids(["<s>", "▁a", "boat", "<0xD0>", "<0x96>", "<0x0A>"])
    tokens = payload_tokens(byte_fallback, ids)
    assert tokens.text == ("bos", " a", "boat", "Ж", "", "\n")
    assert token_strings(byte_fallback, ids)[1:3] == (" a", "boat")
