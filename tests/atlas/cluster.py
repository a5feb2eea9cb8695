"""Sweep alone and on two Dask workers, one of which is killed midway. Run by test_sweep.py."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster

import saewidgets as sw

TEXTS = ["When Mira and Tom came to the pond, Tom gave the red lantern to Mira.", "Mira saw a red boat."] * 700


def main(folder: Path) -> None:
    scope = sw.demo()
    scope.sweep(TEXTS, ["resid_post.1@small"], folder / "alone", length=32, progress=False)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        killed = []

        def kill_one(step: Any) -> None:
            if step.shards == 1 and not killed:
                killed.append(next(iter(cluster.workers.values())).pid)
                os.kill(killed[0], signal.SIGKILL)
                print("killed a worker", flush=True)

        scope.sweep(
            TEXTS, ["resid_post.1@small"], folder / "cluster", length=32, progress=False, client=client, report=kill_one
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
