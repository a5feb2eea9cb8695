"""Sparse feature circuits (Marks et al. 2403.19647): what features of autoencoders, and their errors, do to a metric.

Nothing is frozen. An autoencoder and its error together are the activation, so the gradient of the metric at a site is
that of its features too. Edges are direct: every other site with an autoencoder is cut on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from saewidgets.circuits.edited import Edited
from saewidgets.circuits.feature_effects import Effects, Place, place_of
from saewidgets.circuits.graph import AttributionGraph
from saewidgets.circuits.nodes import ERROR, FEATURE, LOGIT, TOKEN, Nodes
from saewidgets.circuits.settings import Settings
from saewidgets.circuits.targets import Targets, resolve
from saewidgets.circuits.transcoders import dictionaries_of
from saewidgets.dictionaries import Crosscoder, CrossLayerTranscoder, Dictionary
from saewidgets.errors import CircuitError, DictionaryError, PromptError, shorten
from saewidgets.interventions import Edit, from_json, to_json
from saewidgets.payloads import influence
from saewidgets.payloads.arrays import Array
from saewidgets.runs.run import vocabulary_of

if TYPE_CHECKING:
    from saewidgets.scope import Scope

METHODS = ("sae-gradient", "sae-ig", "sae-exact")
STEPS, MOST = 10, 200


def feature_circuit(
    scope: Scope,
    prompt: str | Sequence[int],
    targets: object = None,
    *,
    method: str = "sae-gradient",
    patch: str | Sequence[int] | None = None,
    positions: Sequence[int] = (-1,),
    dictionaries: Dictionary | Sequence[Dictionary] | Mapping[str, Dictionary] | None = None,
    ignored: Sequence[int] = (0,),
    max_features: int = MOST,
    steps: int = STEPS,
    edits: Iterable[Edit] = (),
) -> AttributionGraph:
    """The circuit of autoencoder features behind a metric: the weighted sum of the targets.

    Args:
        scope: Model and dictionaries.
        prompt: The text, or token ids.
        targets: As for `Scope.attribute`.
        method: `"sae-gradient"`: gradient times activation. `"sae-ig"`: the gradient averaged on the way from the
            prompt to the patch, one site at a time. `"sae-exact"`: a forward pass for every feature.
        patch: A prompt of equally many tokens that says what "without the feature" means; without it, 0.
        positions: After which tokens, where targets do not say.
        dictionaries: Autoencoders to use instead of the scope's.
        ignored: Tokens that get no features and errors.
        max_features: Most features in the graph, by effect; errors are there always.
        steps: Steps of integrated gradients.
        edits: Interventions, in the patch too; the graph is that of the edited model. A feature that an edit sets has
            no incoming edges.

    Returns:
        A graph whose nodes have as `value` their whole effect on the metric (positive: the node adds to it), and whose
        edges are direct effects on the activation of the target, to first order.

    Raises:
        DictionaryError: There is no autoencoder.
        PromptError: A patch of another length, or a target that is none.
        CircuitError: An unknown method, or an edit behind a norm.
        EditError, FeatureError: An edit does not fit.

    Example:
        >>> import saewidgets as sw
        >>> graph = sw.circuits.feature_circuit(sw.demo(), "Mira saw a red boat.", max_features=20)
        >>> sorted(set(graph.nodes["kind"]))
        ['error', 'feature', 'logit', 'token']
    """
    if method not in METHODS:
        raise CircuitError(f"Unknown method {shorten(method)}.", f"Use 'transcoder', {', '.join(map(repr, METHODS))}.")
    for name, number in (("max_features", max_features), ("steps", steps)):
        if type(number) is not int or number < 1:
            raise CircuitError(f"{name}={shorten(number)}.", "Give a whole number from 1.")
    model = scope.model
    ids = list(model.tokenize(prompt) if isinstance(prompt, str) else prompt)
    chosen = _autoencoders(dictionaries_of(scope, dictionaries))
    skipped = torch.zeros(len(ids), dtype=torch.bool)
    skipped[[p for p in ignored if -len(ids) <= p < len(ids)]] = True
    edited = Edited.of(from_json(list(edits)), scope.dictionaries, model, len(ids))
    sites = {d.site_in for d in chosen.values()} | edited.reads
    clean = model.trace(ids, sites, edited.writes)
    assert clean.logits is not None
    aims = resolve(model, clean.logits[0].float(), targets, positions)
    other = None
    if patch is not None:
        patch_ids = list(model.tokenize(patch) if isinstance(patch, str) else patch)
        if len(patch_ids) != len(ids):
            raise PromptError(f"The patch has {len(patch_ids)} tokens, the prompt {len(ids)}.", "Give as many.")
        other = model.trace(patch_ids, sites, edited.writes, logits=False)
    places = []
    for key, d in chosen.items():
        beside = None if other is None else edited.split(key, d, other)
        places.append(place_of(key, d, edited.split(key, d, clean), beside, skipped))
    effects = Effects(scope, ids, aims, places, edited)
    found = effects.of_nodes(method, steps)
    text = prompt if isinstance(prompt, str) else ""
    settings = Settings(
        tuple(skipped.nonzero()[:, 0].tolist()), tuple(aims.minus.tolist()), tuple(to_json(edited.edits))
    )
    return _graph(scope, text, ids, aims, effects, found, max_features, method, settings.as_info())


def _autoencoders(dictionaries: Mapping[str, Dictionary]) -> dict[str, Dictionary]:
    found: dict[str, Dictionary] = {}
    for key, dictionary in dictionaries.items():
        if isinstance(dictionary, Crosscoder | CrossLayerTranscoder) or dictionary.site_in != dictionary.site_out:
            continue
        if "@" not in key and dictionary.site_in not in {d.site_in for d in found.values()}:
            found[key] = dictionary
    if not found:
        raise DictionaryError("There is no autoencoder among the dictionaries.", "Use method='transcoder'.")
    return dict(sorted(found.items(), key=lambda item: item[1].site_in.order))


def _graph(
    scope: Scope,
    prompt: str,
    ids: list[int],
    aims: Targets,
    effects: Effects,
    found: list[tuple[Tensor, Tensor]],
    most: int,
    method: str,
    info: dict[str, Any],
) -> AttributionGraph:
    places, tokens = effects.places, len(ids)
    sizes = torch.cat([f.abs() for f, _ in found])
    kept = torch.zeros(len(sizes), dtype=torch.bool)
    kept[sizes.topk(min(most, len(sizes))).indices.cpu()] = True
    chosen = [part.nonzero()[:, 0] for part in kept.split([len(f) for f, _ in found])]
    rows, targets, embed = effects.direct(chosen)
    n_features, k = int(kept.sum()), len(aims.labels)
    n = n_features + len(places) * tokens + tokens + k

    def spread(gradients: list[Tensor]) -> Array:
        """One row of the adjacency."""
        row = [(g[p.position[c]] * p.rows[c]).sum(-1) for g, p, c in zip(gradients[1:], places, chosen, strict=True)]
        row += [(g * p.lost).sum(-1) for g, p in zip(gradients[1:], places, strict=True)]
        return torch.cat([*row, (gradients[0] * embed).sum(-1)]).detach().cpu().numpy()

    adjacency = np.zeros((n, n), dtype="float32")
    for number, gradients in enumerate(rows):
        adjacency[number, : n - k] = spread(gradients)
    for number, gradients in enumerate(targets):
        adjacency[n - k + number, : n - k] = spread(gradients)
    matrix = sparse.csr_array(adjacency)
    columns = _nodes(scope, ids, aims, places, found, chosen)
    reached = influence.influence(influence.normalise(matrix), columns.weight)
    shares = influence.cumulative(reached).astype("float32")
    columns = Nodes(**{name: getattr(columns, name) for name in Nodes.__dataclass_fields__} | {"cumulative": shares})
    tokenizer = scope.model.tokenizer
    texts = vocabulary_of(tokenizer).strings(ids) if tokenizer else [f"‹{i}›" for i in ids]
    covered = float(sizes[kept.to(sizes.device)].sum() / sizes.sum()) if sizes.sum() > 0 else 1.0
    return AttributionGraph(
        scope.name, prompt, tuple(texts), tuple(ids), columns, matrix, 0.0, covered, bool(kept.all()), method, info=info
    )


def _nodes(
    scope: Scope,
    ids: list[int],
    aims: Targets,
    places: list[Place],
    found: list[tuple[Tensor, Tensor]],
    chosen: list[Tensor],
) -> Nodes:
    tokens, layers = len(ids), scope.model.n_layers
    sizes = (sum(map(len, chosen)), len(places) * tokens, tokens, len(aims.labels))

    def column(dtype: str, *parts: object) -> Array:
        return np.concatenate([np.broadcast_to(np.asarray(p, dtype), (n,)) for p, n in zip(parts, sizes, strict=True)])

    def joined(parts: list[Tensor]) -> Array:
        return torch.cat(parts).detach().cpu().numpy()

    pairs = list(zip(places, chosen, strict=True))
    index = joined([p.index[c] for p, c in pairs])
    place_of = np.concatenate([np.full(len(c), n) for n, c in enumerate(chosen)])
    layer = np.array([p.site.layer or 0 for p in places])
    grid = np.arange(tokens)
    labels = [scope.label(f"{places[p].key}/{i}") for p, i in zip(place_of, index, strict=True)]
    effect = [joined([f[c] for (f, _), c in zip(found, chosen, strict=True)]), joined([e for _, e in found])]
    return Nodes(
        kind=column("uint8", FEATURE, ERROR, TOKEN, LOGIT),
        layer=column("int32", layer[place_of], np.repeat(layer, tokens), -1, layers),
        position=column(
            "int32", joined([p.position[c] for p, c in pairs]), np.tile(grid, len(places)), grid, aims.positions.numpy()
        ),
        index=column("int64", index, -1, ids, aims.tokens.numpy()),
        dictionary=column("int32", place_of, np.repeat(np.arange(len(places)), tokens), -1, -1),
        activation=column("float32", joined([p.features[p.position[c], p.index[c]] for p, c in pairs]), 0, 0, 0),
        value=column("float32", *effect, 0, 0),
        bias=column("float32", 0, 0, 0, 0),
        weight=column("float64", 0, 0, 0, aims.weights.numpy()),
        probability=column("float32", 0, 0, 0, aims.probabilities.numpy()),
        cumulative=column("float32", 1, 1, 1, 1),
        dictionaries=tuple(p.key for p in places),
        labels=(*labels, *[""] * (sizes[1] + sizes[2]), *aims.labels),
    )
