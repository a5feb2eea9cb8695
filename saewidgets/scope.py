"""`Scope`: a model with its dictionaries, the one object a user makes. Nothing but wiring."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saewidgets.dictionaries import Crosscoder, CrossLayerTranscoder, Dictionary
from saewidgets.errors import DictionaryError, EditError, FeatureError, SiteError, shorten
from saewidgets.interventions import Edit, Group, at_strength, from_json
from saewidgets.interventions.propagation import check_propagation
from saewidgets.model import TracedModel
from saewidgets.runs import Run
from saewidgets.runs.recent import RecentRuns
from saewidgets.runs.record import record_run
from saewidgets.sites import FeatureId, Site

if TYPE_CHECKING:
    from saewidgets.atlas.atlas import Atlas
    from saewidgets.atlas.limits import Limits
    from saewidgets.atlas.progress import Step
    from saewidgets.circuits.attribution import Attribution
    from saewidgets.circuits.graph import AttributionGraph
    from saewidgets.circuits.node_effects import NodeEffects
    from saewidgets.runs.generation import Generation


class Scope:
    """A model with its dictionaries.

    Args:
        model: Hub id, local folder, Hugging Face module, nnsight model, or `TracedModel`.
        dictionaries: One dictionary, several, or key -> dictionary. A dictionary's key is its `site_in`; a second one
            at the same site needs a mapping with a key like `"resid_post.2@small"`. Cross-layer transcoders are kept
            apart, in `cross_layer`: `attribute` and what follows from it use them; a run, which encodes one place at a
            time, does not.
        tokenizer: For a module in memory.
        labels: Feature id -> label, for search and display.
        name: Shown in the foot of views; the model's name by default.
        **options: Passed to `TracedModel.wrap` (`device`, `dtype`, `device_map`, `sites`, `remote`, `revision`).

    Raises:
        ModelError: The model cannot be loaded or fails its self-check.
        DictionaryError: A dictionary does not fit the model.

    Example:
        >>> import saewidgets as sw
        >>> scope = sw.demo()
        >>> run = scope.run("When Mira and Tom came to the pond, Tom gave the red lantern to")
        >>> list(run.top(position=-1, n=1).columns)
        ['position', 'token', 'feature', 'activation']
    """

    def __init__(
        self,
        model: Any,
        dictionaries: Dictionary | Iterable[Dictionary] | Mapping[str, Dictionary] = (),
        *,
        tokenizer: Any = None,
        labels: Mapping[str, str] | None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        self.model = TracedModel.wrap(model, tokenizer, **options)
        every = _keyed(dictionaries, self.model)
        self.cross_layer = {k: d for k, d in every.items() if isinstance(d, CrossLayerTranscoder)}
        self.dictionaries: dict[str, Dictionary] = {k: d for k, d in every.items() if k not in self.cross_layer}
        self.labels: dict[str, str] = {str(FeatureId.parse(k)): str(v) for k, v in (labels or {}).items()}
        self.name = name or self.model.name
        self.recent = RecentRuns()

    @property
    def lock(self) -> threading.RLock:
        """Held around every forward of the model; take it for forwards of your own."""
        return self.model.lock

    @property
    def loaded(self) -> str:
        """What a run encodes, in words, for errors; and what it cannot."""
        known = ", ".join(f"{key} (0 to {d.d_dict - 1})" for key, d in self.dictionaries.items())
        words = f"Loaded: {known or 'none'}."
        if not self.cross_layer:
            return words
        return (
            f"{words} The cross-layer transcoder {', '.join(self.cross_layer)} writes at many layers: "
            "scope.attribute, scope.intervene_on and CircuitGraph show its features, a run does not encode them."
        )

    @property
    def default_site(self) -> str:
        """Key of the dictionary a view opens on: the main one about two thirds up the model."""
        main = [key for key, d in self.dictionaries.items() if "@" not in key and d.site_in == d.site_out]
        keys = main or list(self.dictionaries)
        if not keys:
            todo = self.loaded if self.cross_layer else "sw.Scope(model, sw.load_dictionary(...)) has."
            raise DictionaryError("This scope has no dictionary that a run encodes.", todo)
        return keys[min(len(keys) * 2 // 3, len(keys) - 1)]

    def run(
        self,
        prompt: str,
        edits: Iterable[Edit] = (),
        sites: Sequence[str] | None = None,
        propagation: str = "free",
    ) -> Run:
        """One forward pass of a prompt: sparse features at every dictionary, logits, error norms.

        Args:
            prompt: The text.
            edits: Interventions, in order.
            sites: Keys of the dictionaries to encode; `None` for all.
            propagation: How the effect of the edits travels: `"free"`, `"frozen_attention"` (patterns of the run
                without edits) or `"direct"` (patterns, normalisation scales and MLP outputs of that run).

        Returns:
            The run. Without edits its logits are bit-identical to the plain model's.

        Raises:
            PromptError: Empty, too long, or no text.
            FeatureError, EditError, SiteError: An edit or a site does not fit.
        """
        return self.run_ids(self.model.tokenize(prompt), prompt, edits, sites, propagation)

    def run_ids(
        self,
        ids: Sequence[int],
        prompt: str = "",
        edits: Iterable[Edit] = (),
        sites: Sequence[str] | None = None,
        propagation: str = "free",
    ) -> Run:
        """As `run`, from token ids."""
        chosen = from_json(list(edits))
        check_propagation(propagation)
        if sites is None:
            keys = list(self.dictionaries)
        else:
            keys = [self.key(site) for site in ([sites] if isinstance(sites, str) else sites)]
        kept = self.recent.get(ids, chosen, propagation)
        missing = [key for key in keys if kept is None or key not in kept.features]
        if kept is None or missing:
            previous = self.recent.nearest(ids, chosen, missing) if propagation == "free" else None
            run = record_run(self.model, self.dictionaries, prompt, ids, chosen, missing, previous, propagation)
            kept = run if kept is None else kept.with_dictionaries(run)
            self.recent.put(kept)
        return kept if len(keys) == len(kept.features) else kept.only(keys)

    def generate(
        self,
        prompt: str | Sequence[Mapping[str, str]],
        edits: Iterable[Edit] = (),
        *,
        max_new_tokens: int = 40,
        stream: bool = False,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        min_p: float = 0.0,
        seed: int | Sequence[int] = 0,
        strengths: Sequence[float] | None = None,
        stop: str | Sequence[str] = (),
        propagation: str = "free",
        cancel: Callable[[], bool] | None = None,
    ) -> Any:
        """Let the model go on from a prompt, under edits of the prompt, of generated tokens, or of both.

        Where an edit is made is said by its `positions`: `None` for everywhere, `"prompt"`, `"generated"`, or positions
        of the prompt. The first new token comes from the last token of the prompt, so an edit at `"generated"` alone
        cannot change it.

        Args:
            prompt: A text, or a conversation `[{"role": "user", "content": "..."}]` for the tokenizer's chat template.
            edits: Interventions, in order.
            max_new_tokens: Greatest number of new tokens; fewer where the context or the text ends.
            stream: Return a `Stream` of tokens instead.
            temperature: 1 is the model's own distribution, 0 always takes the most probable token.
            top_k: Draw among that many most probable tokens.
            top_p: Draw among the most probable tokens that hold this much of the probability.
            min_p: Draw among tokens at least this many times as probable as the first.
            seed: Of the draws; several for a text each. Texts of one seed share their noise: they differ only where
                edits make them.
            strengths: Multiply the strength of every `sw.steer` by each of these, a text each, in one batch.
            stop: Texts that end a text; they stay in it.
            propagation: `"free"`, or `"frozen_attention"`: attention patterns within the prompt are those without
                edits; those of new tokens are free.
            cancel: Called before every token; true to stop.

        Returns:
            A `Generation`; with several seeds or strengths a list of them, seed by seed within each strength.

        Raises:
            PromptError: The prompt is empty or fills the context, or an option is out of range.
            FeatureError, EditError, SiteError: An edit does not fit.

        Example:
            >>> import saewidgets as sw
            >>> scope = sw.demo()
            >>> text = scope.generate("Mira saw a", max_new_tokens=8, temperature=0)
            >>> texts = scope.generate(
            ...     "Mira saw a", [sw.steer("resid_post.2/17", 5)], strengths=[0, 1], max_new_tokens=8, temperature=0
            ... )
            >>> texts[0].text == text.text
            True
        """
        from saewidgets.runs.sampling import Sampling, check_seeds
        from saewidgets.runs.writer import Request, write_texts

        check_propagation(propagation)
        chosen = from_json(list(edits))
        request = Request(
            prompt=prompt if isinstance(prompt, str) else "",
            ids=self.model.read_prompt(prompt),
            versions=((chosen, None),) if strengths is None else tuple((at_strength(chosen, s), s) for s in strengths),
            seeds=check_seeds(seed),
            max_new_tokens=max_new_tokens,
            sampling=Sampling(temperature, top_k, top_p, min_p),
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            propagation=propagation,
            cancel=cancel,
        )
        written = write_texts(self.model, self.dictionaries, request)
        if stream:
            return written
        for _ in written:
            pass
        found = written.generations
        return found[0] if isinstance(seed, int) and strengths is None else list(found)

    def replay(self, generation: Generation, sites: Sequence[str] | None = None) -> Run:
        """One run of a prompt and what was generated from it, under the same edits: features of every new token.

        Args:
            generation: From `generate`.
            sites: Keys of the dictionaries to encode; `None` for all.

        Returns:
            The run.

        Raises:
            EditError: Attention was frozen: a run of the whole text has other patterns to freeze.

        Example:
            >>> import saewidgets as sw
            >>> scope = sw.demo()
            >>> made = scope.generate("Mira saw a", max_new_tokens=5)
            >>> scope.replay(made).token_ids == made.token_ids
            True
        """
        if generation.propagation != "free":
            raise EditError("A text written under frozen attention.", "Only what was written freely can be replayed.")
        return self.run_ids(generation.token_ids, generation.prompt, generation.edits_in_run, sites)

    def sweep(
        self,
        corpus: Any,
        sites: Sequence[str] | None = None,
        store: str | Path = "atlas",
        *,
        client: Any = None,
        limits: Limits | None = None,
        length: int = 128,
        per_pass: int | None = None,
        report: Callable[[Step], None] | None = None,
        progress: bool = True,
        **options: Any,
    ) -> Atlas:
        """Statistics and examples of every feature over a corpus, in one pass, kept on disk.

        What is committed stays, whatever happens: call it again to go on, with a longer corpus to add text, with other
        `sites` to add dictionaries.

        Args:
            corpus: Strings, token ids `[n, length]`, a file, a `datasets` dataset, or a `Corpus`.
            sites: Keys of the dictionaries; `None` for all.
            store: Folder of the atlas.
            client: A `dask.distributed.Client`, to spread the shards over a cluster that shares this folder.
            limits: How much is kept of each feature.
            length: Tokens in a context.
            per_pass: Contexts in one forward pass; about 2,000 tokens by default.
            report: Called with a `Step` after each pass.
            progress: Whether to say before it starts what it will take, about, and to show a progress bar.
            **options: Passed to `Corpus` (`bos`, `separator`, `column`, `skip_first`).

        Returns:
            The atlas.

        Raises:
            AtlasError: The folder holds something else, an atlas of another model or text, or another sweep is at work.
            CorpusError: The corpus cannot be read.
        """
        from saewidgets import __version__
        from saewidgets.atlas.sweep import sweep
        from saewidgets.corpus import Corpus

        keys = list(self.dictionaries) if sites is None else [self.key(site) for site in sites]
        chosen = {key: self.dictionaries[key] for key in keys}
        text = Corpus.of(corpus, self.model.tokenizer, length, **options)
        return sweep(
            self.model,
            chosen,
            text,
            store,
            client=client,
            limits=limits,
            per_pass=per_pass,
            report=report,
            progress=progress,
            version=__version__,
            name=self.name,
        )

    def attribute(
        self,
        prompt: str | Sequence[int],
        targets: object = None,
        *,
        method: str = "transcoder",
        positions: Sequence[int] = (-1,),
        dictionaries: Dictionary | Sequence[Dictionary] | Mapping[str, Dictionary] | None = None,
        ignored: Sequence[int] = (0,),
        max_features: int | None = None,
        memory: int = 2 << 30,
        batch: int | None = None,
        edits: Iterable[Edit] = (),
        report: Callable[[Attribution], None] | None = None,
    ) -> AttributionGraph:
        """The attribution graph of a prompt: what features, errors and tokens do to each other and to the targets.

        With attention patterns and norms held, transcoders stand for the MLPs and everything else is affine: the edges
        are direct effects, exactly (Ameisen et al. 2025). Each row is checked to add up to what the model has.

        Args:
            prompt: The text, or token ids.
            targets: `None`: the most probable next tokens; or a token, a `saewidgets.circuits.Target`, or several.
            method: `"transcoder"`; or on autoencoders `"sae-gradient"`, `"sae-ig"` (integrated gradients) or
                `"sae-exact"`, see `saewidgets.circuits.feature_circuit`.
            positions: After which tokens, where targets do not say.
            dictionaries: Dictionaries to use instead of the scope's.
            ignored: Tokens that get no features and errors.
            max_features: Most features in the graph, by influence.
            memory: Most bytes for its rows; with less than all need, the most influential rows are computed and
                `graph.covered` says what share they hold.
            batch: Rows computed at once.
            edits: Interventions; the graph is that of the edited model. A feature that an edit sets has no incoming
                edges, a head that is ablated passes nothing on; what edits add to an MLP's output counts as error,
                what they add elsewhere is held.
            report: Called with the `Attribution` after each batch; `.graph()` is the graph so far. Raise
                `sw.errors.Cancelled` to stop and keep it.

        Returns:
            The graph, most influential rows computed first.

        Raises:
            PromptError: A prompt or target that is none.
            DictionaryError: No transcoder, or one that attribution cannot take.
            ModelError: The model cannot be frozen: where, and by how much.
            CircuitError: A row does not add up, memory is too small for a single one, or an edit stands where the
                graph cannot take it.
            EditError, FeatureError: An edit does not fit.

        Example:
            >>> import saewidgets as sw
            >>> graph = sw.demo().attribute("Mira saw a red boat.", max_features=64)
            >>> graph.residual < 1e-4
            True
        """
        if method != "transcoder":
            from saewidgets.circuits.features import MOST, feature_circuit

            return feature_circuit(
                self,
                prompt,
                targets,
                method=method,
                positions=positions,
                dictionaries=dictionaries,
                ignored=ignored,
                max_features=MOST if max_features is None else max_features,
                edits=edits,
            )
        from saewidgets.circuits.attribution import Attribution

        making = Attribution(
            self,
            prompt,
            targets,
            positions=positions,
            dictionaries=dictionaries,
            ignored=ignored,
            max_features=max_features,
            memory=memory,
            batch=batch,
            edits=edits,
        )
        return making.run(report)

    def intervene_on(
        self,
        graph: AttributionGraph,
        nodes: str | Sequence[str],
        factor: float = 0.0,
        *,
        propagation: str = "frozen_attention",
        on: Sequence[str] | None = None,
        controls: int = 20,
        seed: int = 0,
        dictionaries: Dictionary | Sequence[Dictionary] | Mapping[str, Dictionary] | None = None,
        targets: object = None,
    ) -> NodeEffects:
        """Scale nodes of a graph in the model: predicted beside measured effect, and random circuits beside both.

        Args:
            graph: From `attribute`, pruned or not.
            nodes: Ids of features, errors or tokens, or the label of a group; changed together.
            factor: What they are multiplied by; 0 ablates.
            propagation: `"direct"`: the effect of the nodes' edges alone, which the graph predicts exactly;
                `"frozen_attention"`: attention patterns held; `"free"`: everything computed anew.
            on: Ids of the features whose values are wanted; `None` for all of the graph.
            controls: Random circuits of like layer, token and size, and random directions of equal norm.
            seed: Of their draws.
            dictionaries: Those of the graph, where they are not the scope's.
            targets: Those of the graph, where they are vectors.

        Returns:
            The effects on other features and on the targets.

        Raises:
            CircuitError, EditError: No such node or mode, or the graph is of another model.

        Example:
            >>> import saewidgets as sw
            >>> scope = sw.demo()
            >>> graph = scope.attribute("Mira saw a red boat.", max_features=64)
            >>> scope.intervene_on(graph, graph.nodes["id"][0], propagation="free").targets["kind"][0]
            'logit'
        """
        from saewidgets.circuits.experiment import Experiment
        from saewidgets.circuits.node_effects import measure

        experiment = Experiment(self, graph, dictionaries=dictionaries, targets=targets)
        return measure(experiment, nodes, factor, propagation=propagation, on=on, controls=controls, seed=seed)

    def key(self, site: str) -> str:
        """The key of a loaded dictionary, from its key or its site in any accepted form.

        Raises:
            SiteError: No dictionary there.
        """
        if site in self.dictionaries:
            return site
        key = str(self.model.site(site))
        if key not in self.dictionaries:
            raise SiteError(f"No dictionary at {key}.", self.loaded)
        return key

    def label(self, feature: str | FeatureId) -> str:
        """The label of a feature, "" when it has none."""
        return self.labels.get(str(feature), "")

    def group(self, words: str) -> Group:
        """The features whose labels hold some words, to be edited as one.

        Args:
            words: All of them must be in the label.

        Returns:
            The group, named by the words.

        Raises:
            FeatureError: No label holds them.

        Example:
            >>> import saewidgets as sw
            >>> sw.demo().group("months").name
            'months'
        """
        wanted = words.casefold().split()
        found = [name for name, label in self.labels.items() if all(word in label.casefold() for word in wanted)]
        if not wanted or not found:
            raise FeatureError(f"No label holds {shorten(words)}.", "scope.search lists the labels.")
        return Group(tuple(FeatureId.parse(name) for name in found), words)

    def search(self, query: str, key: str | None = None, limit: int = 20) -> list[tuple[str, str]]:
        """Features by index or by words of their label.

        Args:
            query: "17", "resid_post.2/17", or words.
            key: Dictionary a bare index belongs to; the default one if `None`.
            limit: Greatest number of results.

        Returns:
            `(feature id, label)` pairs, those of `key` first.
        """
        query = query.strip()
        key = self.key(key) if key else self.default_site
        head, slash, index = query.rpartition("/")
        if index.isascii() and index.isdigit() and len(index) < 10:
            home = head if slash else key
            dictionary = self.dictionaries.get(home)
            if dictionary is not None and int(index) < dictionary.d_dict:
                feature = f"{home}/{int(index)}"
                return [(feature, self.label(feature))]
        words = query.casefold().split()
        hits = [(f, label) for f, label in self.labels.items() if all(w in label.casefold() for w in words)]
        hits.sort(key=lambda hit: (not hit[0].startswith(f"{key}/"), hit[1], hit[0]))
        return hits[:limit]

    def __repr__(self) -> str:
        return f"Scope({shorten(self.name)}, {len(self.dictionaries)} dictionaries: {', '.join(self.dictionaries)})"


def _keyed(dictionaries: Any, model: TracedModel) -> dict[str, Dictionary]:
    """Check every dictionary against the model and put it on the model's device."""
    if isinstance(dictionaries, Dictionary):
        dictionaries = [dictionaries]
    if isinstance(dictionaries, Mapping):
        pairs = [(str(key), d) for key, d in dictionaries.items()]
    else:
        pairs = [(str(d.site_in), d) for d in dictionaries]
    result: dict[str, Dictionary] = {}
    for key, dictionary in pairs:
        FeatureId.parse(f"{key}/0")
        if key in result:
            raise DictionaryError(
                f"Two dictionaries read {key}.", f"Pass a mapping: {{'{key}': first, '{key}@second': second}}."
            )
        if isinstance(dictionary, Crosscoder):
            raise DictionaryError(
                f"The dictionary at {key} reads several places at once: {dictionary.describe()}.",
                "A scope takes dictionaries of one place; call its encode and decode on activations of your own.",
            )
        for site, width in _widths(dictionary):
            # Heads concatenated can be wider than the residual stream; everything else has its width.
            if model.site(site).stream != "attn_z" and width != model.d_model:
                raise DictionaryError(
                    f"The dictionary at {key} is {width} wide, {site} of this model {model.d_model}.",
                    "Load the dictionary that was trained on this model.",
                )
        result[key] = dictionary.to(model.device)
    return dict(sorted(result.items(), key=lambda item: (item[1].site_in.order, item[0])))


def _widths(dictionary: Dictionary) -> list[tuple[Site, int]]:
    """Every site of a dictionary, and how wide what it reads or writes there is."""
    if isinstance(dictionary, CrossLayerTranscoder):
        pairs = zip(dictionary.sites_in, dictionary.sites_out, strict=True)
        return [w for one, to in pairs for w in ((one, dictionary.d_in), (to, dictionary.d_out))]
    return [(dictionary.site_in, dictionary.d_in), (dictionary.site_out, dictionary.d_out)]
