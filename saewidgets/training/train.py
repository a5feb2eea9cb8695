"""`train_dictionary`: from a model, a site and text to a dictionary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from math import gcd
from pathlib import Path
from typing import Any

from saewidgets.corpus import Corpus
from saewidgets.dictionaries import Dictionary
from saewidgets.dictionaries.train import Snapshot, Source, Trainer, TrainingPlan
from saewidgets.dictionaries.train.checkpoint import FILE, settings_of
from saewidgets.errors import TrainingError, shorten
from saewidgets.model import TracedModel
from saewidgets.sites import Site
from saewidgets.training.end_to_end import EndToEndSource
from saewidgets.training.reader import Reader
from saewidgets.training.stream import ModelSource

# Names for what a dictionary reads and writes rather than for its nonlinearity -> the usual one of these.
_SHAPES = {"transcoder": "topk", "skip_transcoder": "topk", "crosscoder": "relu"}
# Updates between two calls of a callback.
_EVERY = 50


def train_dictionary(
    model: Any,
    site: str | Site | Sequence[str | Site],
    corpus: Any,
    architecture: str = "topk",
    *,
    site_out: str | Site | None = None,
    start: Dictionary | None = None,
    callback: Callable[[Snapshot], None] | None = None,
    folder: str | Path | None = None,
    save_every: int = 500,
    **options: Any,
) -> Dictionary:
    """Train a dictionary on the activations of a model.

    Args:
        model: A `TracedModel` (as `scope.model`), or anything it can wrap.
        site: Where to read; several sites for a crosscoder.
        corpus: Strings, token ids `[n, context]`, a path to `.txt`, `.jsonl` or `.parquet`, a dataset, or a `Corpus`.
        architecture: As of `TrainingPlan`; or `"transcoder"`, `"skip_transcoder"` (TopK, from `mlp_in.L` to
            `mlp_out.L` unless `site_out` says else), `"crosscoder"` (ReLU).
        site_out: What a transcoder writes. With it, any architecture is a transcoder.
        start: A dictionary to go on from.
        callback: Called with a snapshot every 50 updates.
        folder: Where to keep the run. If one is there already, of the same plan, it goes on from where it was.
        save_every: Updates between two writes of it.
        options: Everything else a `TrainingPlan` has: `d_dict`, `k`, `sparsity`, `steps`, `batch_size`, ...

    Returns:
        The dictionary, in the units of the model.

    Raises:
        TrainingError: An option is wrong, or the folder holds another run.
        CorpusError: The corpus cannot be read.
        SiteError: The model has no such site.

    Example:
        >>> import saewidgets as sw
        >>> texts = ["Mira saw a red boat.", "Tom gave Anna the key."] * 40
        >>> sae = sw.train_dictionary(sw.demo().model, "resid_post.1", texts, d_dict=64, k=4, steps=5, batch_size=64)
        >>> sae
        FeedForward(resid_post.1, topk, TopK 4, 64 features)
    """
    trainer = make_trainer(model, site, corpus, architecture, site_out=site_out, start=start, folder=folder, **options)

    def watch(snapshot: Snapshot) -> None:
        if folder is not None and (snapshot.step % save_every == 0 or snapshot.phase == "finished"):
            trainer.save(folder)
        if callback is not None and (snapshot.step % _EVERY == 0 or snapshot.phase == "finished"):
            callback(snapshot)

    return trainer.run(watch, every=_EVERY if folder is None else gcd(_EVERY, save_every))


def make_trainer(
    model: Any,
    site: str | Site | Sequence[str | Site],
    corpus: Any,
    architecture: str = "topk",
    *,
    site_out: str | Site | None = None,
    start: Dictionary | None = None,
    folder: str | Path | None = None,
    **options: Any,
) -> Trainer:
    """The trainer that `train_dictionary` runs, to be run, watched and steered by hand or by a `TrainingMonitor`.

    Args:
        model: As of `train_dictionary`, like all others.
        site: Where to read.
        corpus: The text.
        architecture: What to train.
        site_out: What a transcoder writes.
        start: A dictionary to go on from.
        folder: Where a run of the same plan may be, to go on from.
        options: Of the plan.

    Returns:
        A trainer, ready to run.

    Raises:
        TrainingError: An option is wrong, or the folder holds another run.

    Example:
        >>> import saewidgets as sw
        >>> trainer = make_trainer(sw.demo().model, "resid_post.1", ["Mira saw a red boat."] * 99, k=4, d_dict=64)
        >>> trainer.state.phase, trainer.plan.k
        ('ready', 4)
    """
    traced = TracedModel.wrap(model)
    read, written = _places(traced, site, site_out, architecture)
    plan = _plan(architecture, read, written, options)
    source = make_source(traced, read, corpus, plan, written)
    if folder is None or not (Path(folder) / FILE).is_file():
        return Trainer(plan, source, read, written, start=start)
    kept = settings_of(Path(folder))
    if kept["plan"] != plan.to_json() or kept["sites"][0] != [str(s) for s in read]:
        raise TrainingError(f"{shorten(str(folder))} holds a run of another plan.", "Name another folder.")
    return Trainer.load(folder, source)


def resume_training(folder: str | Path, model: Any, corpus: Any) -> Trainer:
    """The trainer of a run that was saved, at the place where it was.

    Args:
        folder: As given to `Trainer.save` or `train_dictionary`.
        model: The same model.
        corpus: The same text.

    Returns:
        A trainer, ready to go on.

    Raises:
        TrainingError: No run there, damaged, or of other data.

    Example:
        >>> import saewidgets as sw
        >>> model, texts = sw.demo().model, ["Mira saw a red boat."] * 99
        >>> path = make_trainer(model, "resid_post.1", texts, k=4, d_dict=64).save("run")
        >>> resume_training("run", model, texts).plan.k
        4
    """
    settings = settings_of(Path(folder))
    plan = TrainingPlan.from_json(settings["plan"])
    read, written = (tuple(Site.parse(name) for name in side) for side in settings["sites"])
    traced = TracedModel.wrap(model)
    return Trainer.load(folder, make_source(traced, read, corpus, plan, None if read == written else written[0]))


def make_source(
    model: TracedModel, site_in: tuple[Site, ...], corpus: Any, plan: TrainingPlan, site_out: Site | None = None
) -> Source:
    """Where a plan's activations come from: shuffled tokens, or whole contexts for end-to-end training.

    Raises:
        TrainingError: End-to-end training of a crosscoder, or with a tilted risk.
    """
    text = Corpus.of(corpus, model.tokenizer, min(plan.context, model.context_length))
    if plan.end_to_end == "none":
        return ModelSource(model, Reader(text), site_in, site_out, buffer=plan.buffer, seed=plan.seed)
    if len(site_in) > 1 or plan.tilt:
        raise TrainingError("End-to-end training takes one site and the mean of losses.", "Leave tilt at 0.")
    downstream = plan.downstream if plan.end_to_end == "kl+downstream" else 0.0
    contexts = max(1, plan.batch_size // text.length)
    return EndToEndSource(model, text, site_in[0], site_out, contexts=contexts, downstream=downstream)


def _places(
    model: TracedModel, site: str | Site | Sequence[str | Site], site_out: str | Site | None, architecture: str
) -> tuple[tuple[Site, ...], Site | None]:
    several = [site] if isinstance(site, (str, Site)) else list(site)
    read = tuple(model.site(name) for name in several)
    if site_out is None and architecture in ("transcoder", "skip_transcoder"):
        if read[0].stream != "mlp_in":
            raise TrainingError(f"A transcoder from {read[0]} to where?", "Pass site_out=.")
        site_out = Site("mlp_out", read[0].layer)
    written = None if site_out is None else model.site(site_out)
    return read, None if (written,) == read else written


def _plan(architecture: str, read: tuple[Site, ...], written: Site | None, options: dict[str, Any]) -> TrainingPlan:
    if architecture == "crosscoder" and len(read) < 2:
        raise TrainingError("A crosscoder of one site.", "Pass several sites.")
    usual: dict[str, Any] = {"skip": True} if architecture == "skip_transcoder" else {}
    name = _SHAPES.get(architecture, architecture)
    if len(read) > 1 and name == "relu":
        usual["decoder_norm"] = "free"  # the penalty of a crosscoder weighs each site's share of a row
    unknown = sorted(set(options) - {field.name for field in fields(TrainingPlan)})
    if unknown:
        raise TrainingError(f"Unknown option {', '.join(map(shorten, unknown))}.", "TrainingPlan lists them.")
    return TrainingPlan(**{"architecture": name, **usual, **options})
