"""Runs the engine of live pages in node, and reads what it found."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from saewidgets.interventions import to_json
from saewidgets.payloads import HeatmapPayload, decode
from saewidgets.runs.carry import carry
from saewidgets.runs.heatmap import HeatmapRequest

JS = Path(__file__).parents[2] / "js"


@dataclass(frozen=True)
class Found:
    """What the engine made of one request: ids, logits `[T, vocab]`, active features, ids of predictions, payload."""

    ids: list[int]
    logits: np.ndarray[Any, Any]
    features: dict[str, list[list[int]]]
    words: list[list[int]]
    payload: HeatmapPayload | None


def run_engine(
    folder: Path, scope: Any, requests: Sequence[HeatmapRequest], keys: Sequence[str], *, payloads: bool = True
) -> list[Found]:
    """Answers of the engine to requests, with the control where there are edits."""
    program = folder / "parity.mjs"
    build = [str(JS / "node_modules" / ".bin" / "esbuild"), str(JS / "tests" / "parity.ts"), f"--outfile={program}"]
    subprocess.run([*build, "--bundle", "--platform=node", "--format=esm", "--log-level=warning"], check=True)
    carried = carry(scope, replace(requests[0], edits=()), keys)
    (folder / "header.json").write_text(carried.header)
    (folder / "weights.bin").write_bytes(carried.weights)
    cases = [{"request": _plain(r), "control": bool(r.edits), "payload": payloads} for r in requests]
    (folder / "cases.json").write_text(json.dumps(cases))
    subprocess.run(["node", str(program), str(folder)], check=True)
    runs = json.loads((folder / "runs.json").read_text())
    logits = np.fromfile(folder / "logits.bin", "<f4").reshape(-1, scope.model.vocab_size)
    found, place = [], 0
    for number, run in enumerate(runs):
        payload = decode((folder / f"{number}.sae").read_bytes()) if payloads else None
        rows = logits[place : place + len(run["ids"])]
        place += len(rows)
        found.append(Found(run["ids"], rows, run["features"], run["words"], payload))
    return found


def _plain(request: HeatmapRequest) -> dict[str, Any]:
    names = ("prompt", "features", "error_term", "site", "fill", "selection", "positions", "seed")
    return {**{name: getattr(request, name) for name in names}, "edits": to_json(request.edits)}


def differences(mine: Any, theirs: Any, path: str = "", tolerance: float = 1e-3) -> list[str]:
    """Where two payloads differ, by more than a tolerance in numbers; not in time spent and spelling of code."""
    if hasattr(mine, "__dataclass_fields__") and theirs is not None:
        names = [name for name in mine.__dataclass_fields__ if name not in ("milliseconds", "code")]
        return [d for n in names for d in differences(getattr(mine, n), getattr(theirs, n), f"{path}.{n}", tolerance)]
    if isinstance(mine, tuple) and len(mine) == len(theirs):
        pairs = enumerate(zip(mine, theirs, strict=True))
        return [d for i, (a, b) in pairs for d in differences(a, b, f"{path}[{i}]", tolerance)]
    if isinstance(mine, np.ndarray) and theirs is not None and mine.shape == theirs.shape:
        same = np.allclose(mine, theirs, atol=tolerance, rtol=tolerance)
    elif isinstance(mine, float) and theirs is not None:
        same = abs(mine - theirs) <= tolerance * max(1, abs(mine))
    else:
        same = bool(mine == theirs) if not isinstance(mine, np.ndarray) else False
    return [] if same else [f"{path}: {str(mine)[:80]} is not {str(theirs)[:80]}"]
