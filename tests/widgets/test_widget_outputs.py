"""What leaves a widget: files, table, code, the static copy beside the live view, freeze; and the code that arrives."""

import base64
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import saewidgets
from saewidgets.errors import PayloadError, SaewidgetsError, WidgetError
from saewidgets.interventions import ablate, steer
from saewidgets.payloads import encode
from saewidgets.widgets import TokenHeatmap, carrier, files, output
from saewidgets.widgets import open as open_view
from tests.effort import cpu
from tests.payload_factory import make_payload
from tests.widgets.fakes import FakeComm, FakeScope, picture

VIEW = "application/vnd.jupyter.widget-view+json"


class Shell:
    """As much of IPython as displaying needs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.published: list[tuple[dict[str, Any], str, bool]] = []
        self.display_pub = types.SimpleNamespace(publish=self._publish)
        monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: self))

    def _publish(self, data: Any, metadata: Any, *, transient: Any, update: bool) -> None:
        self.published.append((data, transient["display_id"], update))


def test_saved_and_opened_again(tmp_path: Path, fake_scope: FakeScope) -> None:
    with TokenHeatmap(fake_scope, "a b c", edits=[ablate("resid_post.1/0")]) as widget:
        widget.selection = 1
        path = widget.save(tmp_path / "view.sae")
        assert list(tmp_path.iterdir()) == [path]
    forwards = fake_scope.forwards
    with open_view(path, theme="dark") as view:
        assert encode(view.payload) == path.read_bytes()
        assert (view.live, view.theme, view.selection, view.prompt) == (False, "dark", 1, "a b c")
        assert view.features == ("resid_post.1/0", "resid_post.1/1", "resid_post.1/2")
        view.comm.receive({"type": "run", "id": 1, "state": {"prompt": "x"}})
        assert view.comm.reply(1)["what"] == "This view was opened from a file and has no model."
        with pytest.raises(WidgetError, match="opened from a file"):
            view.prompt = "x"
        assert view.prompt == "a b c"
        for message in ("search", "undo", "redo", "positions"):
            view.comm.receive({"type": message, "id": message, "query": "1", "positions": [0]})
            assert view.comm.reply(message)["type"] == "error"
        view.comm.update({"selection": 2})
        assert view.payload.selection == 2
    assert fake_scope.forwards == forwards


def test_every_file_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saewidgets.export.page.to_page", lambda payload: "<!doctype html>")
    with TokenHeatmap(make_payload()) as widget:
        starts = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF", "html": b"<!do", "sae": b"SAEW"}
        for suffix, start in starts.items():
            path = widget.save(tmp_path / f"view.{suffix}")
            assert path.read_bytes().startswith(start)
            if suffix != "sae":
                made = getattr(widget, f"to_{suffix}")()
                assert (made.encode() if isinstance(made, str) else made) == path.read_bytes()
                assert getattr(widget, f"to_{suffix}")(tmp_path / "again") == tmp_path / "again"
        with pytest.raises(WidgetError, match="Unknown file format 'exe'"):
            widget.save(tmp_path / "view.exe")
        with pytest.raises(SaewidgetsError, match="Cannot write"):
            widget.save(tmp_path / "nowhere" / "view.sae")
        assert len(widget.to_frame()) == 17


@pytest.mark.parametrize("content", [b"", b"SAEW", b"PK\x03\x04" * 100, b"\x80\x04K\x01."])
def test_what_is_no_view_is_not_opened(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "view.sae"
    path.write_bytes(content)
    with pytest.raises(PayloadError):
        open_view(path)
    with pytest.raises(PayloadError, match=r"Cannot read 'none\.sae'"):
        open_view(tmp_path / "none.sae")
    with pytest.raises(PayloadError, match="Cannot read"):
        open_view("a\0b")
    with pytest.raises(PayloadError, match="Cannot read"):
        open_view(tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "view.sae"
    with path.open("wb") as file:
        file.truncate(files.MAX_BYTES + 1)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("read"))
    with pytest.raises(PayloadError, match="has 536870913 bytes"):
        open_view(path)


def test_the_code_makes_the_same_view(fake_scope: FakeScope) -> None:
    edits = [ablate("resid_post.1/0", positions=[1]), steer("resid_post.0/3", -2.5)]
    view = {"error_term": "dropped", "fill": "surprise", "selection": 1}
    with TokenHeatmap(fake_scope, "a 'b'\n\"c\" d", ["resid_post.1/0"], edits=edits, **view) as widget:
        text = widget.code()
        assert repr(text) == str(text)
        with eval_code(text, fake_scope) as again:
            assert encode(again.payload) == encode(widget.payload)
            assert again.code() == text
        widget.comm.receive({"type": "run", "id": 1, "state": {"prompt": "x y", "edits": []}})
        widget.wait(5)
        widget.selection = 0
        with eval_code(widget.code(), fake_scope) as again:
            assert encode(again.payload) == encode(widget.payload)


def eval_code(text: str, scope: FakeScope) -> TokenHeatmap:
    call = text.splitlines()[-1]
    assert all(line.startswith(("#", "import saewidgets as sw")) for line in text.splitlines()[:-1])
    return eval(call, {"sw": saewidgets, "scope": scope})  # our own text, in a test


def test_code_of_a_hostile_name_stays_a_comment() -> None:
    import dataclasses

    payload = make_payload()
    payload = dataclasses.replace(payload, context=dataclasses.replace(payload.context, model="x\nimport os"))
    with TokenHeatmap(payload) as widget:
        assert "\nimport os" not in widget.code()


def test_static_copy_beside_the_live_view(fake_scope: FakeScope, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = Shell(monkeypatch)
    with TokenHeatmap(fake_scope, "one <b>two</b>") as widget:
        data, _ = widget._repr_mimebundle_()
        assert data[VIEW]["model_id"] == widget.model_id
        assert data["text/plain"] == "TokenHeatmap('one <b>two</b>', 2 tokens)"
        assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
        markup = data["text/html"]
        assert "one" in markup
        for sign in ("<script", "<b>", "src=", "href", "onerror", "<button", "<iframe", "<style"):
            assert sign not in markup
        widget._ipython_display_()
        assert shell.published == [(data, widget._display_id, False)]
        widget.freeze()
    (frozen, display_id, update) = shell.published[-1]
    assert (display_id, update) == (widget._display_id, True)
    assert VIEW not in frozen
    assert {"text/html", "image/png"} <= set(frozen)
    assert widget.closed
    assert VIEW not in widget._repr_mimebundle_()[0], "a closed widget shows its static copy"


def test_freeze_with_the_page(fake_scope: FakeScope, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = Shell(monkeypatch)
    monkeypatch.setattr("saewidgets.export.page.to_page", lambda *_: '<!doctype html><p title="x">')
    widget = TokenHeatmap(fake_scope, "one two")
    widget.freeze(page=True)
    markup = shell.published[-1][0]["text/html"]
    assert markup.count("<iframe") == 1
    assert 'sandbox="allow-scripts"' in markup
    assert "&lt;!doctype html&gt;&lt;p title=&quot;x&quot;&gt;" in markup
    assert "one" in markup.split("<iframe")[0]


def test_outside_ipython_it_prints_one_line(
    fake_scope: FakeScope, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))
    with TokenHeatmap(fake_scope, "one two") as widget:
        widget._ipython_display_()
    assert capsys.readouterr().out == "TokenHeatmap('one two', 2 tokens)\n"


@pytest.mark.parametrize("edits", [True, False])
@pytest.mark.parametrize(("tokens", "budget"), [(17, output.WHOLE_BUDGET), (10_000, output.HEAD_BUDGET)])
def test_static_copy_is_small(tokens: int, budget: int, edits: bool) -> None:
    with TokenHeatmap(make_payload(tokens, 4, edits)) as widget:
        data = widget.static_bundle()
        assert {"text/html", "image/png"} <= set(data)
        assert sum(len(v.encode()) for v in data.values()) <= budget


def test_static_copy_of_a_long_prompt_costs_what_its_head_does() -> None:
    def cost(tokens: int) -> float:
        with TokenHeatmap(make_payload(tokens, 4, True)) as widget:
            widget.static_bundle()
            return min(cpu(widget.static_bundle) for _ in range(3))

    assert cost(20_000) < 4 * cost(500)


def test_carrier_is_one_for_all_and_a_new_one_when_closed(fake_scope: FakeScope) -> None:
    widgets = [TokenHeatmap(fake_scope, "a b") for _ in range(3)]
    states = [w.comm.open_message["data"]["state"] for w in widgets]
    assert len({s["_carrier"] for s in states}) == 1
    carriers = [c for c in FakeComm.opened if "code" in c.open_message["data"]["state"]]
    assert states[0]["_carrier"] == " ".join(f"anywidget:{c.comm_id}" for c in carriers)
    carried = [c.open_message["data"]["state"] for c in carriers]
    assert " ".join(one["hash"] for one in carried) == states[0]["_bundle"]
    assert [one["code"] for one in carried] == [carrier._text(name) for name in ("live.js", "live-heatmap.js")]
    assert {one["_model_module"] for one in carried} == {"anywidget"}
    assert states[0]["_esm"] == carrier.shim() != carrier.bundle()
    shared, old = widgets[0]._carrier
    old.close()
    # What breaks the whole notebook otherwise: the state of a widget whose carrier was closed must stay JSON.
    state = {k: v for k, v in widgets[0].get_state().items() if k not in ("_payload", "layout")}
    assert json.loads(json.dumps(state))["_carrier"] == f"{shared.ref} {old.ref}"
    with TokenHeatmap(fake_scope, "a b") as later:
        assert later._carrier[0] is shared
        assert later._carrier[1] is not old
    for widget in widgets:
        widget.close()


def test_without_the_fixed_reference_a_closed_carrier_does_break_the_state(fake_scope: FakeScope) -> None:
    """The control of the test above: anywidget's own serialisation gives the object itself."""
    from anywidget._traits import _widget_to_json

    with TokenHeatmap(fake_scope, "a b") as widget:
        widget._carrier[0].close()
        with pytest.raises((TypeError, AttributeError)):
            json.dumps(_widget_to_json(widget._carrier[0], widget))


def test_inline_where_a_model_cannot_be_shared(fake_scope: FakeScope, monkeypatch: pytest.MonkeyPatch) -> None:
    def state(**options: Any) -> dict[str, Any]:
        with TokenHeatmap(fake_scope, "a b", **options) as widget:
            return dict(widget.comm.open_message["data"]["state"])

    def is_inline(state: dict[str, Any]) -> bool:
        return (state["_esm"], state["_bundle"], state["_carrier"]) == (carrier.bundle(), "", None)

    assert not is_inline(state())
    assert is_inline(state(bundle="inline"))
    with monkeypatch.context() as patch:
        patch.setenv("SAEWIDGETS_BUNDLE", "inline")
        assert is_inline(state())
        assert not is_inline(state(bundle="carrier"))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "marimo", types.SimpleNamespace(running_in_notebook=lambda: True))
        assert is_inline(state())
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "marimo", types.SimpleNamespace(running_in_notebook=lambda: False))
        assert not is_inline(state())
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "solara.server", types.ModuleType("solara.server"))
        assert is_inline(state())
    with pytest.raises(WidgetError, match="bundle is 'cdn'"):
        state(bundle="cdn")


def test_a_missing_bundle_says_what_to_run(fake_scope: FakeScope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(carrier.resources, "files", lambda _: Path("nowhere"))
    carrier._text.cache_clear()
    with pytest.raises(WidgetError, match="make js"):
        carrier.bundle()
    carrier._text.cache_clear()


def test_state_is_json_and_small(fake_scope: FakeScope) -> None:
    with TokenHeatmap(fake_scope, "a b c") as widget:
        state = widget.comm.open_message["data"]["state"]
        text = json.dumps(state)
        assert len(text) < 4_000
        assert widget.comm.open_message["data"]["buffer_paths"] == [["_payload"]]
        assert picture(widget.comm.open_message["buffers"][0]).prompt == "a b c"


def test_opening_needs_no_torch(tmp_path: Path) -> None:
    import subprocess

    path = tmp_path / "view.sae"
    path.write_bytes(encode(make_payload()))
    code = (
        "import sys; import saewidgets.widgets.carrier as c; c._text = lambda name: 'x'\n"
        "from saewidgets.widgets import open\n"
        f"view = open({str(path)!r}); view.static_bundle(); view.to_svg(); view.to_frame(); view.code(); view.close()\n"
        "print([m for m in ('torch', 'nnsight', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "[]\n", done.stderr
