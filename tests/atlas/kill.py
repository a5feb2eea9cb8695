"""Kill sweeps at random moments, resume them, and say what became of the stores. Run by test_faults.py.

The process forks before each sweep, so that a kill costs no start of Python; it has one thread when it does.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from saewidgets.atlas.atlas import Atlas
from saewidgets.corpus import Corpus
from saewidgets.disk import PREFIX
from saewidgets.errors import AtlasError
from tests.atlas.tiny import fingerprints, rows, run

# Short contexts: most of a sweep's time goes into files, which is where a kill may do harm.
CORPUS = Corpus(rows(200)[:, :24])


def sweep_in_child(folder: Path) -> int:
    pid = os.fork()
    if pid == 0:
        run(folder, corpus=CORPUS)
        os._exit(0)
    return pid


def shards(folder: Path) -> list[int]:
    """Committed tokens of each dictionary; what opens must be readable."""
    try:
        atlas = Atlas(folder)
    except AtlasError:
        return [0, 0]
    for site in atlas.sites:
        if atlas.n_tokens(site):  # else it was killed between the first commits of two dictionaries
            atlas.stats(site)
    return [atlas.n_tokens(site) for site in atlas.sites]


def main(folder: Path, kills: int) -> None:
    torch.set_num_threads(1)
    draw = random.Random(0)
    began = time.perf_counter()
    os.waitpid(sweep_in_child(folder / "clean"), 0)
    whole = time.perf_counter() - began
    clean = fingerprints(folder / "clean")
    killed = different = lost = stores = 0
    while killed < kills:
        store, done, committed = folder / f"store-{stores}", False, [0, 0]
        while not done:
            pid = sweep_in_child(store)
            time.sleep(draw.random() * whole * 0.8)
            os.kill(pid, signal.SIGKILL)
            done = os.waitpid(pid, 0)[1] == 0
            killed += not done
            now = [*shards(store), 0, 0][:2]
            lost += any(b < a for a, b in zip(committed, now, strict=True))
            committed = now
            if not done and killed >= kills:
                os.waitpid(sweep_in_child(store), 0)
                done = True
        left = [path.name for path in store.rglob(f"{PREFIX}*")]
        different += fingerprints(store) != clean or bool(left)
        stores += 1
        shutil.rmtree(store)
    print(json.dumps({"kills": killed, "stores": stores, "different": different, "lost": lost, "files": len(clean)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
