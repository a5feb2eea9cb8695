"""The engine of live pages beside torch: tokens, logits, predictions, features, and every number of a picture."""

import ast
import random
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saewidgets as sw
from saewidgets.demo.grammar import documents
from saewidgets.interventions import Edit
from saewidgets.runs.heatmap import HeatmapRequest, heatmap_payload
from tests.engine.program import Found, differences, run_engine

N_PROMPTS = 500
# One of each kind the embedded model has: JumpReLU, a transcoder, TopK, Matryoshka.
KEYS = ["resid_post.1@small", "attn_out.1", "mlp_in.1", "resid_post.2"]
SENTENCE = "When Mira and Tom came to the pond, Tom gave the red lantern to"


def prompts() -> list[str]:
    """Beginnings of stories the model was not trained on, and text it never saw: of every script, and of no sense."""
    draw = random.Random(0)
    stories = [document.text.split() for document in islice(documents("parity"), N_PROMPTS - 100)]
    texts = [" ".join(words[: draw.randint(2, 12)]) for words in stories]
    codes = [*range(1, 0xD800), *range(0xE000, 0x30000)]
    strange = ["".join(map(chr, draw.choices(codes, k=6))) for _ in range(40)]
    pieces = [
        " ",
        "  ",
        "\n",
        "\t",
        "'s",
        "12",
        "Ünï",
        "<|end|>",
        "<|start|>",
        "a",
        "😀",
        "\u0085",
        "\ufeff",
        "\x1c",
        "…",
    ]
    mixed = ["".join(draw.choices(pieces, k=8)) for _ in range(60)]
    return texts + strange + mixed


@pytest.fixture(scope="module")
def answers(scope: Any, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Found]]:
    texts = prompts()
    assert len(texts) == N_PROMPTS
    requests = [HeatmapRequest(text) for text in texts]
    found = run_engine(tmp_path_factory.mktemp("parity"), scope, requests, KEYS, payloads=False)
    return list(zip(texts, found, strict=True))


def test_500_prompts(scope: Any, answers: list[tuple[str, Found]]) -> None:
    worst, tokens = 0.0, 0
    for text, found in answers:
        run = scope.run(text, sites=KEYS)
        assert found.ids == list(run.token_ids), text
        worst = max(worst, float(np.abs(found.logits - run.logits.numpy()).max()))
        tokens += run.n_tokens
        for t in range(run.n_tokens):
            assert set(found.words[t][:5]) == set(run.likely[t, :5].tolist()), (text, t)
            for key, sparse in run.features.items():
                active = sparse.index[sparse.indptr[t] : sparse.indptr[t + 1]].tolist()
                assert found.features[key][t] == active, (text, key, t)
    print(f"\n{len(answers)} prompts, {tokens} tokens: logits differ by at most {worst:.1e}")
    assert worst < 1e-3


def test_the_comparison_can_fail(scope: Any, answers: list[tuple[str, Found]]) -> None:
    text, found = answers[0]
    other = scope.run(text + " not", sites=KEYS)
    assert found.ids != list(other.token_ids)
    edited = scope.run(text, [sw.steer("resid_post.2/17", 5.0)], sites=KEYS)
    assert np.abs(found.logits - edited.logits.numpy()).max() > 1e-3


def edit_lists(scope: Any) -> list[tuple[Edit, ...]]:
    """Every kind of edit that a page makes, alone and together, at one site and at several."""
    run = scope.run(SENTENCE)

    def at(key: str) -> list[str]:
        return [f"{key}/{i}" for i in run.features[key].strongest(run.n_tokens - 1, 3)[0].tolist()]

    a, b, c = at("resid_post.2")
    d, e, _ = at("mlp_in.1")
    f, g = at("attn_out.1")[0], at("resid_post.1@small")[0]
    return [
        (sw.ablate(a),),
        (sw.ablate(a, error="drop"), sw.scale(b, 2.0, positions=[4], error="drop")),
        (sw.scale(a, 1.5), sw.steer(b, 4.0, positions=[3, 5])),
        (sw.steer(c, 0.5, relative=True),),
        (sw.steer(a, -3.0), sw.scale(b, 1e-5), sw.steer(c, 1234.5, positions=[2])),
        (sw.clamp(d, 3.0, when_active=True), sw.clamp(e, 3.0)),
        (sw.ablate(f), sw.scale(a, 0.25), sw.ablate(g), sw.ablate(d)),
    ]


def requests(scope: Any) -> list[HeatmapRequest]:
    lists = edit_lists(scope)
    made = []
    for seed, edits in enumerate(lists):
        shown = tuple(dict.fromkeys(str(feature) for edit in edits for feature in edit.features))
        dropped = any(edit.error == "drop" for edit in edits)
        term = "dropped" if dropped else "kept"
        made.append(HeatmapRequest(SENTENCE, (*shown, ""), edits, term, "resid_post.2", shown[0], 4, (), seed))
    long = " ".join([SENTENCE] * 11)
    feature = lists[0][0].features[0]
    return [
        *made,
        HeatmapRequest("émile 😀 <|end|> 日本 \n", (str(feature),), site="mlp_in.1", fill="surprise"),
        HeatmapRequest(long, (str(feature),), lists[0], site="resid_post.2", selection=3, positions=(7, 9, 9999)),
    ]


def test_whole_pictures(scope: Any, tmp_path: Path) -> None:
    """Every field of the payload, the control of the same seed included, and code that means the same."""
    small = sw.Scope(scope.model, {key: scope.dictionaries[key] for key in KEYS}, labels=_labels(scope))
    asked = requests(scope)
    for request, found in zip(asked, run_engine(tmp_path, small, asked, list(small.dictionaries)), strict=True):
        theirs = heatmap_payload(small, request, control=bool(request.edits))
        assert found.payload is not None
        assert differences(theirs, found.payload) == [], request
        assert (found.payload.control is None) == (not request.edits)
        assert _again(small, found.payload.context.code) == _again(small, theirs.context.code)


def test_pictures_differ_where_the_request_does(scope: Any) -> None:
    request = requests(scope)[0]
    one, other = (heatmap_payload(scope, HeatmapRequest(SENTENCE, request.features, e)) for e in (request.edits, ()))
    assert differences(one, other) != []


def _labels(scope: Any) -> dict[str, str]:
    return {name: label for name, label in scope.labels.items() if name.rpartition("/")[0] in KEYS}


def _again(scope: Any, code: str) -> tuple[Any, ...]:
    """Prompt, features, edits and error term of the call that a picture's code makes."""
    call = ast.parse(code, mode="eval").body
    assert isinstance(call, ast.Call)
    given = {k.arg: eval(ast.unparse(k.value), {"sw": sw}) for k in call.keywords}
    prompt = ast.literal_eval(call.args[1])
    return prompt, given["features"], given.get("edits", []), given.get("error_term", "kept"), given["site"]
