"""How soon a `FeatureDashboard` is there: while a sweep is running, and from an atlas of 24,576 features on disk.

- *running*: seconds from the call of `scope.sweep` on the embedded model to the first picture, drawn in its `report`
  from what was committed by then; best of three; goal <= 1 s;
- *disk*: milliseconds in Python of a dashboard from an atlas without its model: the first after it was opened, and the
  median of others; and what a picture in the notebook file (PNG and HTML without scripts) takes besides; goal <= 50 ms.

Each as time on the clock and as time of the processors, all threads together: on a machine that is busy with other
things they differ, and with `--threads 1` the second says what the first would be on an idle one.

    python benchmarks/dashboard.py                    # a minute or two
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from _sweeps import scope_of
from sweep import make

import saewidgets as sw
from saewidgets.atlas.progress import Step
from saewidgets.demo.grammar import documents


@dataclass
class Clock:
    """Time since a moment, in units of which a second has `unit`: on the clock, and of the processors."""

    unit: float = 1.0
    wall: float = field(default_factory=time.perf_counter)
    processor: float = field(default_factory=time.process_time)

    def read(self) -> tuple[float, float]:
        """Both, until now."""
        return self.unit * (time.perf_counter() - self.wall), self.unit * (time.process_time() - self.processor)


def running(n_documents: int, sites: list[str], store: Path) -> tuple[float, float]:
    """Seconds from the call of a sweep to its first picture."""
    scope = sw.demo()
    texts = [document.text for document in itertools.islice(documents("train"), n_documents)]
    view, times = sw.FeatureDashboard(scope, f"{sites[0]}/131", text="Tom came in May."), []

    def report(step: Step) -> None:
        if step.shards and not times:
            view.atlas = sw.Atlas.open(store)
            view.wait()
            assert view.payload.n_tokens > 0
            times.append(clock.read())

    clock = Clock()
    scope.sweep(texts, sites, store, report=report, progress=False)
    view.close()
    return times[0]


def disk(n_features: int, tokens: int, rounds: int, folder: Path) -> dict[str, tuple[float, float]]:
    """Milliseconds of dashboards, each of another feature that fires."""
    store = folder / "wide"
    scope, _ = scope_of(make(folder / "model", n_features, tokens))
    texts = [document.text for document in itertools.islice(documents("train"), tokens // 15)]
    site = scope.sweep(texts, store=store, progress=False).sites[0]
    counts = sw.Atlas.open(store).stats(site)["n_active"]
    features = [f"{site}/{index}" for index in counts[counts > 0].sample(rounds, random_state=0).index]
    atlas, times, files = sw.Atlas.open(store), [], []
    for feature in features:
        clock = Clock(1000)
        view = sw.FeatureDashboard(atlas, feature)
        times.append(clock.read())
        clock = Clock(1000)
        view.static_bundle()
        files.append(clock.read())
        view.close()
    return {"first": times[0], "median": _median(times[1:]), "file": _median(files[1:])}


def _median(times: list[tuple[float, float]]) -> tuple[float, float]:
    wall, processor = zip(*times, strict=True)
    return statistics.median(wall), statistics.median(processor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    parser.add_argument("--documents", type=int, default=500, help="swept by the embedded model")
    parser.add_argument("--features", type=int, default=24_576, help="of the dictionary on disk")
    parser.add_argument("--tokens", type=int, default=50_000, help="of its atlas")
    parser.add_argument("--rounds", type=int, default=40, help="dashboards")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        running(50, ["resid_post.2"], folder / "warm")
        for sites in (["resid_post.2"], ["resid_post.1", "resid_post.2", "resid_post.3"]):
            times = [running(options.documents, sites, folder / f"{len(sites)}-{round}") for round in range(3)]
            wall, processor = (min(column) for column in zip(*times, strict=True))
            print(
                f"running  {len(sites)} dictionaries  first picture after {wall:.2f} s, {processor:.2f} s of processors"
                "  (goal <= 1)",
                flush=True,
            )
        found = disk(options.features, options.tokens, options.rounds, folder)
        shown = ";  ".join(f"{name} {wall:.1f} ms, {own:.1f} of processors" for name, (wall, own) in found.items())
        print(f"disk     {options.features} features  {shown}  (goal: median <= 50)", flush=True)


if __name__ == "__main__":
    main()
