"""Labels on disk, labels of others, and files that mean harm."""

import gzip
import json
import tracemalloc
import zlib

import pytest

import saewidgets as sw
from saewidgets.errors import FeatureError, LabelError
from saewidgets.explain import Label, by_feature, imports, labels, load_labels, read_csv, read_neuronpedia, save_labels

ENTRIES = [
    {"modelId": "gpt2-small", "layer": "6-res-jb", "index": "650", "description": "mentions of boats",
     "explanationModelName": "gpt-4o-mini", "typeName": "oai_token-act-pair"},
    {"modelId": "gpt2-small", "layer": "6-res-jb", "index": 7, "description": "naïve 北京"},
    {"modelId": "gpt2-small", "layer": "6-res-jb", "index": "8", "description": ""},
]  # fmt: skip


def test_what_is_saved_comes_back(tmp_path):
    some = (
        Label("resid_post.2/17", "months of the year"),
        Label("resid_post.2@small/3", "北京 <b>bold</b> \ud800", "suggested by me", ("2.1: <<May>>", "x\ny")),
    )
    path = save_labels(tmp_path / "labels.json", some)
    assert load_labels(path) == some
    assert some[1].text == "北京 <b>bold</b> \ufffd" and some[1].evidence[1] == "x y"
    assert by_feature([*some, Label("resid_post.2/17", "later")]) == {
        "resid_post.2/17": "months of the year", "resid_post.2@small/3": some[1].text
    }  # fmt: skip


def test_labels_fit_a_scope(tiny):
    scope = sw.Scope(tiny.model, tiny.dictionaries, labels=by_feature([Label("resid_post.1/3", "a colour")]))
    assert scope.search("colour") == [("resid_post.1/3", "a colour")]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (("17", "x"), FeatureError), (("resid_post.2/17", ""), LabelError), (("resid_post.2/17", "\n\t "), LabelError),
        (("resid_post.2/17", 5), LabelError), (("resid_post.2/17", "x" * 2001), LabelError),
        (("resid_post.2/17", "x", None), LabelError), (("resid_post.2/17", "x", "y", "z"), LabelError),
        (("resid_post.2/17", "x", "y", ("z",) * 201), LabelError), (("resid_post.2/17", "x", "y", (1,)), LabelError),
    ],
)  # fmt: skip
def test_a_label_is_checked(fields, error):
    with pytest.raises(error):
        Label(*fields)


@pytest.mark.parametrize("shape", ["list", "lines", "gzip", "one", "feature", "bom"])
def test_neuronpedia_exports(tmp_path, shape):
    feature = {"modelId": "gpt2-small", "layer": "6-res-jb", "index": "650", "explanations": [ENTRIES[0]]}
    lines = "\n".join(json.dumps(e) for e in ENTRIES) + "\n"
    content = {
        "list": json.dumps(ENTRIES, indent=1).encode(), "lines": lines.encode(), "gzip": gzip.compress(lines.encode()),
        "one": json.dumps(ENTRIES[0]).encode(), "feature": json.dumps(feature, indent=2).encode(),
        "bom": b"\xef\xbb\xbf" + json.dumps(ENTRIES).encode(),
    }[shape]  # fmt: skip
    path = tmp_path / "export.json"
    path.write_bytes(content)
    found = read_neuronpedia(path, "resid_post.5")
    first = Label("resid_post.5/650", "mentions of boats", "neuronpedia: gpt2-small, 6-res-jb, gpt-4o-mini")
    assert found[0] == first
    if shape in ("one", "feature"):
        assert len(found) == 1
    else:
        assert found[1:] == (Label("resid_post.5/7", "naïve 北京", "neuronpedia: gpt2-small, 6-res-jb"),)


def test_several_layers_need_names(tmp_path):
    path = tmp_path / "export.json"
    path.write_text(json.dumps([ENTRIES[0], {**ENTRIES[1], "layer": "7-res-jb"}]))
    with pytest.raises(LabelError, match="2 layers"):
        read_neuronpedia(path, "resid_post.5")
    found = read_neuronpedia(path, {"7-res-jb": "resid_post.6"})
    assert [label.feature for label in found] == ["resid_post.6/7"]


def test_tables(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(b'\xef\xbb\xbfFeature,Label,votes\r\nresid_post.2/1,"a, b",3\r\n\r\nresid_post.2/2,,0\r\n')
    assert read_csv(path) == (Label("resid_post.2/1", "a, b", "table: labels.csv"),)
    path.write_text("index,description\n4,four\n")
    assert read_csv(path, "resid_post.1")[0].feature == "resid_post.1/4"
    for text in ("index,label\n4,four\n", "feature\nx\n", "", "feature,label\na\n", "feature,label\n17,x\n"):
        path.write_text(text)
        with pytest.raises(LabelError):
            read_csv(path)


NASTY = {
    "nothing": b"", "no JSON": b"{", "deep": b"[" * 100_000, "deep lines": b"{}\n" + b"[" * 100_000,
    "no UTF-8": b"\xff\xfe\x00\x00", "a long number": b"[" + b"9" * 5000 + b"]", "a number": b"7", "text": b'"x"',
    "null": b"null", "NaN": b"[NaN]", "not objects": b"[1, 2]", "no fields": b"[{}]", "nul": b"\x00" * 50,
    "fields of another kind": b'[{"index": [], "description": {}, "layer": [1]}]',
    "a huge index": b'[{"index": ' + b"9" * 400 + b', "description": "x"}]',
    "a negative index": b'[{"index": -1, "description": "x"}]',
    "an index that is true": b'[{"index": true, "description": "x"}]',
    "a path as index": b'[{"index": "../../x", "description": "x"}]',
    "a description that is a list": b'[{"index": 1, "description": ["x"]}]',
    "a description without end": b'[{"index": 1, "description": "' + b"x" * 100_000 + b'"}]',
    "torn gzip": gzip.compress(b"[]" * 1000)[:40], "bad gzip": b"\x1f\x8b" + b"\x00" * 60,
    "labels that are none": b'{"format": "saewidgets-labels", "version": 1, "labels": [3]}',
    "labels that are an object": b'{"format": "saewidgets-labels", "version": 1, "labels": {}}',
    "a version to come": b'{"format": "saewidgets-labels", "version": 2, "labels": []}',
    "a label without text": b'{"format": "saewidgets-labels", "version": 1, "labels": [{"feature": "resid_post.1/1"}]}',
    "evidence that is text":
        b'{"format": "saewidgets-labels", "version": 1, "labels": [{"feature": "a/1", "text": "x", "evidence": "y"}]}',
    "a table without end": b"feature,label\n" + b'"' + b"x" * 300_000, "quotes": b'feature,label\n"a"b,c\n',
}  # fmt: skip


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("reader", [load_labels, lambda p: read_neuronpedia(p, "resid_post.1"), read_csv])
def test_a_hostile_file_gives_an_error_of_ours(tmp_path, name, reader):
    path = tmp_path / "labels"
    path.write_bytes(NASTY[name])
    with pytest.raises(LabelError) as caught:
        reader(path)
    assert len(str(caught.value)) < 400 and str(tmp_path) not in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    for path in (tmp_path / "none.json", tmp_path, "nul\0l"):
        for reader in (load_labels, lambda p: read_neuronpedia(p, "resid_post.1"), read_csv):
            with pytest.raises(LabelError):
                reader(path)


def test_a_gzip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(labels, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(imports, "MAX_BYTES", 1 << 20)
    packed = zlib.compressobj(wbits=31)
    path = tmp_path / "bomb.gz"
    path.write_bytes(packed.compress(b" " * (64 << 20)) + packed.flush())
    tracemalloc.start()
    try:
        with pytest.raises(LabelError, match="too large when unzipped"):
            read_neuronpedia(path, "resid_post.1")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20  # of 64 MiB
    finally:
        tracemalloc.stop()
    path.write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(LabelError, match="more than"):
        load_labels(path)
    path.write_bytes(gzip.compress(json.dumps(ENTRIES).encode()))  # the control: a small one is read
    assert len(read_neuronpedia(path, "resid_post.1")) == 2


def test_nothing_is_written_where_a_file_was(tmp_path):
    path = save_labels(tmp_path / "labels.json", [Label("resid_post.1/1", "old")])
    with pytest.raises(LabelError):
        save_labels(path, (Label("resid_post.1/1", text) for text in ("new", "")))
    assert load_labels(path)[0].text == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["labels.json"]
