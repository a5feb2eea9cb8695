"""A run on disk: one safetensors file with all that decides how it goes on."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.train.core import Frame, Sites
from saewidgets.dictionaries.train.loop import Loop
from saewidgets.dictionaries.train.measure import measure
from saewidgets.dictionaries.train.plan import TrainingPlan
from saewidgets.dictionaries.train.source import Source
from saewidgets.disk import write_bytes
from saewidgets.errors import SaewidgetsError, TrainingError, shorten
from saewidgets.sites import Site

FILE, FORMAT = "trainer.safetensors", "saewidgets-training-1"


def write(folder: Path, loop: Loop, sites: Sites, seconds: float) -> Path:
    """Write a run; the file is replaced as a whole.

    Args:
        folder: Made if it is not there.
        loop: The run.
        sites: What it reads and what it writes.
        seconds: It ran so far.
    """
    first, second = loop.moments() if loop.optimizer.state else ({}, {})
    groups = {"param": loop.params, "buffer": loop.buffers, "first": first, "second": second}
    tensors = {f"{group}/{name}": value for group, values in groups.items() for name, value in values.items()}
    tensors |= {"silent": loop.silent, "density": loop.density, "draw": loop.draw.get_state()}
    tensors |= {name: getattr(loop.frame, name) for name in ("x_scale", "y_scale", "centre")}
    settings = {
        "format": FORMAT,
        "plan": loop.plan.to_json(),
        "sites": [[str(site) for site in side] for side in sites],
        "step": loop.step,
        "tokens": loop.tokens,
        "sparsity": loop.sparsity,
        "seconds": seconds,
        "position": loop.source.position(),
    }
    data = save(
        {name: value.detach().cpu().clone() for name, value in tensors.items()},
        metadata={FORMAT: json.dumps(settings, sort_keys=True)},
    )
    folder.mkdir(parents=True, exist_ok=True)
    return write_bytes(folder / FILE, data)


def settings_of(folder: Path) -> dict[str, Any]:
    """Plan, sites and place of a run on disk.

    Raises:
        TrainingError: There is none, or it is damaged.
    """
    return _read(folder)[1]


def read(folder: Path, source: Source) -> tuple[Loop, Sites, float]:
    """The run that `write` wrote, at its place in `source`; its sites and its seconds.

    Raises:
        TrainingError: No run there, damaged, or of other data.
    """
    tensors, settings = _read(folder)
    try:
        plan = TrainingPlan.from_json(settings["plan"])
        measured = measure(plan, source)
        scale, centre = tensors["x_scale"].to(measured.x_scale.device), tensors["centre"]
        if scale.shape != measured.x_scale.shape or not torch.allclose(scale, measured.x_scale, rtol=1e-4):
            raise TrainingError("These are not the activations the run began with.", "Pass the same model and corpus.")
        frame = _with(measured, scale, tensors["y_scale"], centre)
        loop = Loop(plan, source, frame)
        loop.step, loop.tokens, loop.sparsity = settings["step"], settings["tokens"], settings["sparsity"]
        _fill(loop, tensors)
        source.seek(settings["position"])
        site_in, site_out = (tuple(Site.parse(name) for name in side) for side in settings["sites"])
        return loop, (site_in, site_out), float(settings["seconds"])
    except SaewidgetsError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise TrainingError(f"The run in {shorten(folder.name)} is damaged ({shorten(error)}).") from None


def _with(frame: Frame, x_scale: Tensor, y_scale: Tensor, centre: Tensor) -> Frame:
    device = frame.y_scale.device
    return dataclasses.replace(frame, x_scale=x_scale.to(device), y_scale=y_scale.to(device), centre=centre.to(device))


@torch.no_grad()
def _fill(loop: Loop, tensors: dict[str, Tensor]) -> None:
    device = loop.frame.y_scale.device
    for name, value in loop.params.items():
        value.copy_(tensors[f"param/{name}"])
    loop.buffers = {name: tensors[f"buffer/{name}"].to(device).clone() for name in loop.buffers}
    loop.silent.copy_(tensors["silent"])
    loop.density.copy_(tensors["density"])
    loop.draw.set_state(tensors["draw"])
    if any(name.startswith("first/") for name in tensors):
        for name, value in loop.params.items():
            first, second = (tensors[f"{group}/{name}"].to(device).clone() for group in ("first", "second"))
            step = torch.tensor(float(loop.step), device=device)
            loop.optimizer.state[value] = {"step": step, "exp_avg": first, "exp_avg_sq": second}


def _read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    path = folder / FILE
    if not path.is_file():
        raise TrainingError(f"There is no run in {shorten(str(folder))}.", "Name a folder that a trainer saved to.")
    try:
        tensors, metadata = Files(path, path.name).tensors_and_metadata(FILE)
        settings = json.loads(metadata[FORMAT])
        return tensors, dict(settings)
    except (SaewidgetsError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise TrainingError(f"{FILE} holds no run ({shorten(error)}).", "It may be of another version.") from None
