"""Graph files in and out of a circuit graph: those of other viewers, opened in place of the model's own graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import traitlets

from saewidgets.circuits.graph import AttributionGraph
from saewidgets.errors import CircuitError, WidgetError
from saewidgets.payloads import encode
from saewidgets.widgets import checks
from saewidgets.widgets.circuit_maker import still
from saewidgets.widgets.circuit_request import marks_json
from saewidgets.widgets.jobs import GUARD

# Characters that a front end may send; notebook servers take messages of up to 10 MiB.
MAX_TEXT = 8_000_000
# What a file replaces until it is closed.
_PLACES = ("_picture", "_graph", "_shown", "_wanted")
_TRAITS = (
    "prompt", "targets", "edits", "base", "keep_nodes", "keep_edges", "side", "selection", "marks", "live",
    "undo_depth", "redo_depth",
)  # fmt: skip


class GraphFiles(traitlets.HasTraits):
    """Mixed into `CircuitGraph`, before `BaseWidget`."""

    # Name of the file in view, "" for the graph of the model.
    _file_name = traitlets.Unicode("").tag(sync=True)
    _aside: dict[str, Any] | None = None

    @property
    def graph(self) -> AttributionGraph:
        """The whole graph in view."""
        raise NotImplementedError

    def open_graph(self: Any, source: str | Path | Mapping[str, Any] | AttributionGraph) -> None:
        """Show a graph file of Neuronpedia, circuit-tracer or Anthropic's front end, until `close_graph`.

        Args:
            source: A path, JSON text, the parsed document, or a graph.

        Raises:
            CircuitError: No such graph; the picture stays.

        Example:
            >>> import saewidgets as sw
            >>> scope = sw.demo()
            >>> with sw.CircuitGraph(scope, "Mira saw a red boat.", max_features=32) as view:
            ...     done = view.wait()
            ...     text = view.to_json("anthropic")
            ...     view.open_graph(text)
            ...     view.live, len(view.graph.nodes) > 0
            (False, True)
        """
        graph = source if isinstance(source, AttributionGraph) else AttributionGraph.from_json(source)
        name = Path(source).name if isinstance(source, Path) else "graph"
        self._open(graph, name)

    def close_graph(self: Any) -> None:
        """Back to the graph that was there before the first file."""
        with GUARD:
            before, self._aside = self._aside, None
            if before is None:
                return
            for name in _PLACES:
                setattr(self, name, before[name])
            with self._setting():
                self._put(self._picture, encode(self._picture))
                for name in _TRAITS:
                    setattr(self, name, before[name])
                self._file_name = ""

    def _open(self: Any, graph: AttributionGraph, name: str) -> None:
        payload = still(graph)
        raw = encode(payload)
        with GUARD:
            if self.closed:
                raise WidgetError("This widget is closed and shows nothing.", "Make a new one.")
            self.back()
            if self._aside is None:
                self._aside = {one: getattr(self, one) for one in (*_PLACES, *_TRAITS)}
            # Whatever is being computed belongs to the graph that was left.
            for place, value in {"_graph": graph, "_shown": None, "_wanted": None}.items():
                setattr(self, place, value)
            own = {"targets": (), "edits": (), "base": "", "live": False, "undo_depth": 0, "redo_depth": 0}
            with self._setting():
                self._put(payload, raw)
                for trait, value in {**self._traits_of(payload, None), **own}.items():
                    setattr(self, trait, value)
                self.marks = marks_json(payload.marks)
                self._file_name = name or "graph"

    def _on_import(self: Any, request_id: Any, content: dict[str, Any]) -> None:
        """Show the file whose text the front end sends; without one, go back."""
        text = content.get("text")
        if text == "":
            self.close_graph()
        else:
            if not isinstance(text, str) or len(text) > MAX_TEXT:
                raise CircuitError(
                    f"The file is {checks.brief(text)}." if not isinstance(text, str) else f"{len(text)} characters.",
                    f"A widget takes text of {MAX_TEXT // 1_000_000} million; larger files open in Python: "
                    "view.open_graph(path).",
                )
            from saewidgets.circuits.read import from_text

            self._open(from_text(text), checks.word("name", content.get("name", "graph")))
        self._post({"type": "ok", "id": request_id, "result": None})

    def to_json(self: Any, dialect: str = "neuronpedia", path: str | Path | None = None, **options: Any) -> str:
        """The pruned graph in view, with its marks, as JSON that other viewers open.

        Args:
            dialect: `"neuronpedia"`, `"circuit-tracer"` or `"anthropic"`.
            path: Where to write it.
            **options: As in `AttributionGraph.to_json`.
        """
        pruned = self.graph.prune(self.keep_nodes, self.keep_edges)
        text: str = pruned.to_json(dialect, path, **options)
        return text

    def _file(self: Any, format: str) -> bytes:
        content: bytes = self.to_json().encode() if format == "json" else super()._file(format)
        return content

    def _save_formats(self: Any) -> tuple[str, ...]:
        return (*super()._save_formats(), "json")
