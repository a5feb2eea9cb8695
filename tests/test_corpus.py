"""Text to contexts, whatever form it comes in."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saewidgets.corpus import Corpus
from saewidgets.errors import CorpusError

BOS, EOS = 1, 2


class Bytes:
    """A tokenizer of one token a character."""

    bos_token_id, eos_token_id = BOS, EOS

    def __call__(self, texts, add_special_tokens, verbose):
        assert not add_special_tokens and not verbose
        return {"input_ids": [[ord(c) + 10 for c in text] for text in texts]}


def read(corpus, size=3):
    batches = list(corpus.batches(size))
    assert [batch.first for batch in batches] == list(range(0, len(batches) * size, size))
    return tuple(np.concatenate([getattr(b, name) for b in batches]) for name in ("ids", "documents", "mask"))


@given(
    texts=st.lists(st.text(st.characters(max_codepoint=120, min_codepoint=32), max_size=25), max_size=12).filter(any),
    length=st.integers(2, 9),
    skip=st.booleans(),
    bos=st.sampled_from(["auto", None]),
)
def test_packing_loses_and_adds_nothing(texts, length, skip, bos):
    corpus = Corpus(texts, Bytes(), length, bos=bos, skip_first=skip)
    ids, documents, mask = read(corpus)
    assert ids.shape == documents.shape == mask.shape and ids.shape[1] == length
    body, owner = (ids, documents) if bos is None else (ids[:, 1:], documents[:, 1:])
    if bos == "auto":
        assert (ids[:, 0] == BOS).all() and (documents[:, 0] == -1).all()
    stream = [pair for i, text in enumerate(texts) for pair in [*((ord(c) + 10, i) for c in text), (EOS, i)]]
    flat = [(int(t), int(o)) for t, o in zip(body.ravel(), owner.ravel(), strict=True)]
    assert flat[: len(stream)] == stream
    assert flat[len(stream) :] == [(EOS, -1)] * (len(flat) - len(stream)) and len(flat) - len(stream) < length
    expected = documents >= 0
    expected[:, 0] = not skip
    assert (mask == expected).all()


@given(start=st.integers(0, 12), size=st.integers(1, 5))
def test_a_start_skips_contexts(start, size):
    corpus = Corpus(["some words"] * 9, Bytes(), 10)
    whole = read(corpus)[0]
    later = list(corpus.batches(size, start))
    found = np.concatenate([batch.ids for batch in later]) if later else whole[:0]
    assert (found == whole[start:]).all()
    assert not later or later[0].first == start


def test_token_ids_are_taken_as_they_are():
    rows = np.arange(12, dtype=np.uint16).reshape(3, 4)
    for source in (rows, rows.tolist()):
        ids, documents, mask = read(Corpus(source, skip_first=False))
        assert ids.dtype == np.int64 and (ids == rows).all() and mask.all()
        assert (documents == [[0] * 4, [1] * 4, [2] * 4]).all()


def test_every_form_of_a_text_gives_the_same_contexts(tmp_path):
    texts = ["first line", "second, with é and 字", "third"]
    (tmp_path / "a.txt").write_text("\n".join(texts) + "\n\n", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts), encoding="utf-8")
    pq.write_table(pa.table({"text": texts, "n": [1, 2, 3]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"ids": [[ord(c) + 10 for c in t] for t in texts]}), tmp_path / "ids.parquet")
    dataset = [{"text": t, "n": 3} for t in texts]  # what a `datasets` dataset gives when it is gone through
    generator = (t for t in texts)
    sources = [texts, tmp_path / "a.txt", str(tmp_path / "a.jsonl"), tmp_path / "a.parquet", dataset, generator]
    expected = read(Corpus(texts, Bytes(), 7))
    for source in sources:
        for found, wanted in zip(read(Corpus(source, Bytes(), 7)), expected, strict=True):
            assert (found == wanted).all()
    ids = read(Corpus(tmp_path / "ids.parquet", Bytes(), 7, column="ids"))
    assert (ids[0] == expected[0]).all()


def test_an_iterator_is_read_once():
    corpus = Corpus(iter(["text"]), Bytes(), 4)
    assert not corpus.repeats and Corpus(["text"], Bytes(), 4).repeats
    read(corpus)
    with pytest.raises(CorpusError, match="once"):
        read(corpus)


def test_a_corpus_passes_through():
    corpus = Corpus(["text"], Bytes(), 4)
    assert Corpus.of(corpus) is corpus


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (3, {}, "no corpus"),
        (np.zeros((2, 3)), {}, "token ids"),
        (np.zeros(3, int), {}, "token ids"),
        (np.zeros((0, 3), int), {}, "token ids"),
        ([], {}, "no text"),
        (["a"], {"length": 1}, "at least 2"),
        (["a"], {"bos": "first"}, "no token id"),
        ([{"body": "a"}], {}, "'text'"),
        ([{"text": 3}], {}, "item 0"),
        ("no/such/file.txt", {}, "no file"),
        ([None], {}, "item 0"),
    ],
)
def test_what_is_no_corpus_is_refused(source, options, message):
    with pytest.raises(CorpusError, match=message):
        read(Corpus(source, Bytes(), **options))


def test_text_needs_a_tokenizer():
    with pytest.raises(CorpusError, match="tokenizer"):
        read(Corpus(["a"]))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "a"}\n{"text"\n', "Line 2"),
        ("a.jsonl", b'{"body": "a"}\n', "Line 1"),
        ("a.jsonl", b"[" * 100_000, "Line 1"),
        ("a.jsonl", b'"just a string"\n', None),
        ("a.parquet", b"PAR1 not really", "no Parquet file"),
        ("a.csv", b"text\n", "ends in"),
        ("a.txt", b"\n\n", "no text"),
    ],
)
def test_files_that_are_damaged(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    if message is None:
        read(Corpus(tmp_path / name, Bytes(), 4))
        return
    with pytest.raises(CorpusError, match=message):
        read(Corpus(tmp_path / name, Bytes(), 4))


def test_a_parquet_file_without_the_column_lists_what_it_has(tmp_path):
    pq.write_table(pa.table({"content": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match="content"):
        read(Corpus(tmp_path / "a.parquet", Bytes(), 4))


def test_a_tokenizer_without_special_tokens():
    corpus = Corpus(["abc", "de"], type("Plain", (Bytes,), {"bos_token_id": None, "eos_token_id": None})(), 5)
    ids, documents, _ = read(corpus)
    assert ids.tolist() == [[ord(c) + 10 for c in "abcde"]] and documents.tolist() == [[0, 0, 0, 1, 1]]
