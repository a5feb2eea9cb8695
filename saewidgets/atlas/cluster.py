"""The sweep on a Dask cluster: a shard is a task; workers write to a folder that all of them see.

The model travels to the scheduler, and from there once to every worker. A shard whose worker is lost runs again
elsewhere; as a shard is committed whole or not at all and depends on nothing but its text, the bytes are those of a run
on one machine.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saewidgets.atlas.progress import Progress
from saewidgets.atlas.store import Store
from saewidgets.dictionaries import Dictionary
from saewidgets.errors import AtlasError, SaewidgetsError, shorten
from saewidgets.model import TracedModel

# Shards on their way, for each thread of the cluster: enough that none waits.
_AHEAD = 2
# Times a shard is given out again after its worker was lost.
_RETRIES = 5


@dataclass(frozen=True)
class Parts:
    """What a worker makes its own traced model of.

    Args:
        token: Tells it from others, so that a worker wraps it once.
        module: The model.
        tokenizer: Its tokenizer.
        family: Where its streams are.
        name: Its name.
        dictionaries: Number -> dictionary.
    """

    token: str
    module: Any
    tokenizer: Any
    family: Any
    name: str
    dictionaries: dict[int, Dictionary]


_wrapped: dict[str, TracedModel] = {}


def run(
    client: Any, model: TracedModel, dictionaries: Mapping[int, Dictionary], work: Iterator[Any], progress: Progress
) -> None:
    """Give the shards out to the workers and wait for all of them.

    Args:
        client: A `dask.distributed.Client`.
        model: The model.
        dictionaries: Number -> dictionary.
        work: The shards that are missing.
        progress: Told of every shard that is done.

    Raises:
        AtlasError: A shard failed on every worker that tried it, or the workers do not see the folder.
    """
    try:
        from distributed import as_completed
    except ImportError:
        raise AtlasError("client= needs dask.distributed.", "pip install 'saewidgets[cluster]'") from None
    threads = sum(client.nthreads().values())
    if not threads:
        raise AtlasError("The cluster has no worker.", "Start some, then sweep again.")
    with model.lock, warnings.catch_warnings():
        # A task and not scattered data, which is gone for good with the worker that holds it: the scheduler keeps it.
        warnings.filterwarnings("ignore", message="Sending large graph")
        parts = client.submit(_itself, _parts(model, dictionaries), pure=False)
    waiting: dict[Any, Any] = {}

    def submit(item: Any) -> Any:
        future = client.submit(_task, parts, item, pure=False, retries=_RETRIES)
        waiting[future] = item
        return future

    flow = as_completed([submit(item) for item in itertools.islice(work, _AHEAD * threads)])
    try:
        for future in flow:
            item = waiting.pop(future)
            error = future.exception()
            if error is not None:
                raise _said(error, item.shard)
            progress.add(item.n_tokens)
            progress.shard(item.shard)
            following = next(work, None)
            if following is not None:
                flow.add(submit(following))
    finally:
        client.cancel(list(waiting))
        parts.release()


def spread(client: Any, what: Callable[[int], Any], numbers: Iterable[int]) -> list[Any]:
    """`map` over the workers.

    Raises:
        AtlasError: One failed on every worker that tried it.
    """
    futures = client.map(what, list(numbers), pure=False, retries=_RETRIES)
    try:
        return list(client.gather(futures))
    except SaewidgetsError:
        raise
    except Exception as error:
        what_failed = f"Merging failed on the cluster: {type(error).__name__}: {shorten(str(error))}"
        raise AtlasError(what_failed, "Sweep again: what is committed stays.") from error
    finally:
        client.cancel(futures)


def _parts(model: TracedModel, dictionaries: Mapping[int, Dictionary]) -> Parts:
    token = f"{id(model)}-{'-'.join(str(id(d)) for d in dictionaries.values())}"
    return Parts(token, model.module, model.tokenizer, model._family, model.name, dict(dictionaries))


def _itself(parts: Parts) -> Parts:
    return parts


def _task(parts: Parts, work: Any) -> int:
    """One shard, on a worker."""
    from saewidgets.atlas.sweep import do

    if parts.token not in _wrapped:
        _wrapped.clear()
        _wrapped[parts.token] = TracedModel(parts.module, parts.tokenizer, family=parts.family, name=parts.name)
    do(_store(work.folder), _wrapped[parts.token], parts.dictionaries, work)
    return int(work.shard)


def _store(folder: Path) -> Store:
    try:
        return Store(folder)
    except AtlasError:
        raise AtlasError(
            f"A worker does not see the atlas in {shorten(str(folder))}.", "Put it on a disk that all workers share."
        ) from None


def _said(error: BaseException, shard: int) -> SaewidgetsError:
    if isinstance(error, SaewidgetsError):
        return error
    what = f"Shard {shard} failed on the cluster: {type(error).__name__}: {shorten(str(error))}"
    return AtlasError(what, "Sweep again: what is committed stays.")
