"""Payload of the `DictionaryReport`: how good one dictionary is, beside its baselines, and which features are odd.

Shapes: B bins of a histogram.
"""

from dataclasses import dataclass

from saewidgets.errors import PayloadError, shorten
from saewidgets.payloads.context import Context
from saewidgets.payloads.histogram import Histogram
from saewidgets.payloads.record import check

UNITS = ("", "share", "nats", "features")
BETTER = ("", "lower", "higher")
MAX_LISTED = 1_000
# No measure is larger; an axis over more has no step that a float can hold.
LARGEST = 1e30


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A number with its confidence interval.

    Args:
        value: The number.
        low, high: Ends of the interval; both or none.
    """

    value: float
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        check(self)
        low, high = self.low, self.high
        if any(abs(number) > LARGEST for number in (self.value, low, high) if number is not None):
            raise PayloadError(f"An estimate of {shorten(self.value)}.", f"Give numbers up to {LARGEST:g}.")
        if (low is None) != (high is None) or (low is not None and high is not None and low > high):
            raise PayloadError(f"An interval from {shorten(low)} to {shorten(high)}.", "Give both, the lower first.")


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """The same number of a baseline.

    Args:
        baseline: Which: one of the report's `baselines`.
        estimate: Its number.
    """

    baseline: str
    estimate: Estimate

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """One row of the report.

    Args:
        name: Short: "FVU".
        group: Heading it stands under: "Fidelity", "Sparsity", ...
        estimate: The dictionary's.
        baselines: The baselines', those that have it.
        unit: `"share"` (drawn in %), `"nats"`, `"features"` or "".
        better: `"lower"`, `"higher"`, or "" when neither is.
        definition: The formula, in words or signs.
        mask: Which tokens count.
        window: Over how many.
    """

    name: str
    group: str
    estimate: Estimate
    baselines: tuple[Beside, ...] = ()
    unit: str = ""
    better: str = ""
    definition: str = ""
    mask: str = ""
    window: str = ""

    def __post_init__(self) -> None:
        check(self)
        if self.unit not in UNITS:
            raise PayloadError(f"The unit of {shorten(self.name)} is {shorten(self.unit)}.", f"Use one of {UNITS}.")
        if self.better not in BETTER:
            raise PayloadError(f"Better of {shorten(self.name)} is {shorten(self.better)}.", f"Use one of {BETTER}.")


@dataclass(frozen=True, slots=True, eq=False)
class ListedFeature:
    """A feature that is dead, or fires on too much.

    Args:
        id: `"resid_post.2/417"`.
        label: Its name, "" when it has none.
        density: Share of tokens on which it fires.
        note: What else is known: "nearest 0.98 to 12", "bias -3.1".
    """

    id: str
    label: str
    density: float
    note: str = ""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class DictionaryReportPayload:
    """Everything a `DictionaryReport` draws.

    Args:
        name: Of the dictionary: its key in the scope.
        architecture: e.g. `"topk"`.
        width: Number of features.
        measures: Rows, in order; rows of one group follow each other.
        baselines: Names of the baselines, in order: "PCA", "random", "frozen decoder".
        density: Features by how often they fire.
        neighbours: Features by the greatest cosine of their decoder row with another.
        dead, dense: The first of the features that never fire, and of those that fire on more tokens than `dense_from`.
        n_dead, n_dense: How many there are in all.
        dense_from: Density from which a feature is called dense.
        card: The load card, as text.
        scale: Which activations are shown: "the authors'", "per unit-norm direction".
        feature: Id of the selected feature, "" for none.
        context: The foot.
    """

    name: str
    architecture: str
    width: int
    measures: tuple[Measure, ...]
    baselines: tuple[str, ...]
    density: Histogram
    neighbours: Histogram
    dead: tuple[ListedFeature, ...]
    dense: tuple[ListedFeature, ...]
    n_dead: int
    n_dense: int
    context: Context
    dense_from: float = 0.1
    card: str = ""
    scale: str = "the authors'"
    feature: str = ""

    def __post_init__(self) -> None:
        check(self)
        for measure in self.measures:
            unknown = [b.baseline for b in measure.baselines if b.baseline not in self.baselines]
            if unknown:
                raise PayloadError(f"{shorten(measure.name)} names the baseline {shorten(unknown[0])}.", "List it.")
        for name, shown, total in (("dead", self.dead, self.n_dead), ("dense", self.dense, self.n_dense)):
            if not len(shown) <= min(total, MAX_LISTED):
                raise PayloadError(f"{len(shown)} {name} features are listed of {total}.", f"List up to {MAX_LISTED}.")

    @property
    def groups(self) -> dict[str, tuple[Measure, ...]]:
        """Measures by group, both in order of appearance."""
        names = dict.fromkeys(measure.group for measure in self.measures)
        return {name: tuple(m for m in self.measures if m.group == name) for name in names}

    def measure(self, name: str) -> Measure | None:
        """The measure of this name."""
        return next((m for m in self.measures if m.name == name), None)
