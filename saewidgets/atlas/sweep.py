"""The sweep: a corpus once through the model, every dictionary encoded, shard after shard committed."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from saewidgets.atlas import cluster, fingerprint
from saewidgets.atlas.atlas import Atlas
from saewidgets.atlas.cost import estimate
from saewidgets.atlas.gather import gather
from saewidgets.atlas.limits import Limits
from saewidgets.atlas.lock import locked
from saewidgets.atlas.manifest import Manifest, SweptSite
from saewidgets.atlas.progress import Bar, Progress, Report
from saewidgets.atlas.store import Store, digest
from saewidgets.atlas.summary import Summary
from saewidgets.atlas.vocabulary import write_vocabulary
from saewidgets.corpus import Contexts, Corpus
from saewidgets.dictionaries import Dictionary
from saewidgets.errors import AtlasError, shorten
from saewidgets.model import TracedModel

# Tokens in one forward pass, about.
_PASS = 2048


@dataclass(frozen=True)
class Work:
    """One shard to be done: everything a worker needs besides the model.

    Args:
        folder: Of the atlas.
        shard: Number of the shard.
        contexts: Its contexts, a pass at a time.
        sites: Numbers of the dictionaries that lack it.
    """

    folder: Path
    shard: int
    contexts: tuple[Contexts, ...]
    sites: tuple[int, ...]

    @property
    def n_tokens(self) -> int:
        """Tokens that count."""
        return sum(part.n_tokens for part in self.contexts)


def sweep(
    model: TracedModel,
    dictionaries: Mapping[str, Dictionary],
    corpus: Corpus,
    folder: str | Path,
    *,
    client: Any = None,
    limits: Limits | None = None,
    per_pass: int | None = None,
    report: Report | None = None,
    progress: bool = False,
    version: str = "",
    name: str = "",
) -> Atlas:
    """See `Scope.sweep`."""
    folder = Path(folder)
    for key, dictionary in dictionaries.items():
        if getattr(getattr(dictionary, "activation", None), "kind", None) == "batchtopk":
            raise AtlasError(
                f"What {key} activates depends on the batch it is in.", "Give it a threshold: load it with threshold=."
            )
    there = Store.is_there(folder)  # also refuses a folder of something else
    wanted = _manifest(model, dictionaries, corpus, limits, per_pass, version, name)
    if not there:
        Store.make(folder, wanted)
    with locked(folder):
        store = _joined(Store(folder), wanted)
        store.sweep_temporaries()
        write_vocabulary(folder, model)
        numbers = {store.manifest.site(key): dictionary for key, dictionary in dictionaries.items()}
        work = _missing(store, corpus, tuple(numbers))
        with _shown(store, model, numbers, corpus, progress) as bar:
            told = Progress(*(each for each in (bar, report) if each is not None))
            if client is None:
                for item in work:
                    do(store, model, numbers, item, told.add)
                    told.shard(item.shard)
            else:
                cluster.run(client, model, numbers, work, told)
        for number in numbers:
            commits = store.commits(number)
            if not commits:
                raise AtlasError("The corpus has no token that counts.", "Pass text.")
            store.merge(number, commits, map if client is None else partial(cluster.spread, client))
    return Atlas(folder)


def do(
    store: Store,
    model: TracedModel,
    dictionaries: Mapping[int, Dictionary],
    work: Work,
    each: Callable[[int], None] = lambda n_tokens: None,
) -> None:
    """Do one shard and commit it."""
    chosen = {number: dictionaries[number] for number in work.sites}
    tokens, active = gather(model, chosen, work.contexts, each)
    limits = store.manifest.limits
    summaries = {number: Summary.of(found, tokens, limits) for number, found in active.items()}
    store.write_shard(work.shard, work.contexts, summaries, work.n_tokens)


@contextmanager
def _shown(
    store: Store, model: TracedModel, dictionaries: Mapping[int, Dictionary], corpus: Corpus, wanted: bool
) -> Iterator[Bar | None]:
    """A progress bar over what is missing, if it is wanted."""
    if not wanted:
        yield None
        return
    contexts = corpus.n_contexts()
    if contexts is not None:
        contexts = max(contexts - min(_whole(store, number) for number in dictionaries), 0)
    bar = Bar(estimate(model, list(dictionaries.values()), store.manifest, contexts))
    try:
        yield bar
    finally:
        bar.close()


def _whole(store: Store, site: int) -> int:
    """Contexts of a dictionary that need not be done again: a last shard cut short is, with what follows it."""
    sizes = (
        commit.contexts for commit in store.commits(site) if commit.contexts == store.manifest.contexts(commit.shard)
    )
    return sum(sizes)


def _manifest(
    model: TracedModel,
    dictionaries: Mapping[str, Dictionary],
    corpus: Corpus,
    limits: Limits | None,
    per_pass: int | None,
    version: str,
    name: str,
) -> Manifest:
    if per_pass is not None and (type(per_pass) is not int or not 1 <= per_pass <= 65_536):
        raise AtlasError(f"per_pass = {shorten(per_pass)}.", "Give a whole number of contexts from 1.")
    sites = tuple(
        SweptSite(key, str(d.site_in), str(d.site_out), d.architecture, int(d.d_dict), fingerprint.of_dictionary(d))
        for key, d in dictionaries.items()
    )
    return Manifest(
        version=version,
        model=name or model.name,
        fingerprint=fingerprint.of_module(model.module),
        length=corpus.length,
        skip_first=corpus.skip_first,
        per_pass=per_pass or max(1, _PASS // corpus.length),
        limits=limits or Limits(),
        sites=sites,
    )


def _joined(store: Store, wanted: Manifest) -> Store:
    """The store, with the dictionaries it lacks added to its manifest.

    Raises:
        AtlasError: It is of another model, another cut of the text, or of another dictionary under the same key.
    """
    there = store.manifest
    for field, what in (
        ("fingerprint", "another model"),
        ("length", "contexts of another length"),
        ("skip_first", "another mask of the first position"),
        ("per_pass", "another per_pass"),
        ("limits", "other limits"),
    ):
        old, new = getattr(there, field), getattr(wanted, field)
        if old != new:
            raise AtlasError(
                f"The atlas was made with {what} ({shorten(old, 40)}, not {shorten(new, 40)}).", "Name a new folder."
            )
    known = {site.key: site for site in there.sites}
    for site in wanted.sites:
        if site.key in known and known[site.key] != site:
            raise AtlasError(f"The atlas holds another dictionary as {shorten(site.key)}.", "Give it another key.")
    new = tuple(site for site in wanted.sites if site.key not in known)
    return Store.make(store.folder, dataclasses.replace(there, sites=there.sites + new)) if new else store


def _missing(store: Store, corpus: Corpus, sites: Sequence[int]) -> Iterator[Work]:
    """The shards that a dictionary lacks.

    Raises:
        AtlasError: The text differs from that of the shards which are there.
    """
    manifest = store.manifest
    batches = corpus.batches(manifest.per_pass)
    for number in itertools.count():
        passes = manifest.contexts(number) // manifest.per_pass
        shard = tuple(itertools.islice(batches, passes))
        commits = {site: store.commit(site, number) for site in sites}
        size = sum(len(part) for part in shard)
        if any(commit.contexts > size for commit in commits.values() if commit is not None):
            raise AtlasError("The atlas holds more text than this corpus.", "Pass the whole corpus, or more of it.")
        if not shard:
            return
        store.check_text(number, shard)
        text = digest(shard)
        lacking = tuple(s for s, commit in commits.items() if commit is None or commit.corpus != text)
        if lacking:
            yield Work(store.folder, number, shard, lacking)
