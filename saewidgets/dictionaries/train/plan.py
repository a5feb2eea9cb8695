"""`TrainingPlan`: every choice of a training run in one place, checked, and written to JSON and back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from saewidgets.errors import TrainingError, shorten

ArchitectureName = Literal[
    "relu", "gated", "topk", "batchtopk", "matryoshka", "feature_choice", "jumprelu", "p_anneal", "prolu", "switch"
]
# Those that keep a number of features instead of paying for each.
COUNTED = ("topk", "batchtopk", "matryoshka", "feature_choice", "switch")
_SPARSITY = {"relu": 5.0, "gated": 5.0, "jumprelu": 1.0, "p_anneal": 5.0, "prolu": 5.0}
_CHOICES = {
    "architecture": get_args(ArchitectureName),
    "decoder_norm": ("unit", "free"),
    "norm": ("mean_norm", "rms", "none"),
    "centre": ("geometric_median", "mean", "zero"),
    "end_to_end": ("none", "kl", "kl+downstream"),
}


@dataclass(frozen=True)
class TrainingPlan:
    """How to train one dictionary.

    Activations are brought to a common scale first (`norm`), so that the coefficients mean the same at every site; the
    scale is folded into the weights of the dictionary that comes out. The loss is the mean over tokens of the squared
    error summed over dimensions, plus what the architecture adds.

    Args:
        architecture: `"relu"`: ReLU + L1 (Bricken et al. 2023); `"gated"` (Rajamanoharan et al. 2404.16014); `"topk"`
            (Gao et al. 2406.04093); `"batchtopk"` (Bussmann et al. 2412.06410), which is also mutual choice
            (Ayonrinde 2411.02124); `"matryoshka"` (Bussmann et al. 2503.17547); `"feature_choice"` (Ayonrinde
            2411.02124); `"jumprelu"` (Rajamanoharan et al. 2407.14435); `"p_anneal"` (Karvonen et al. 2408.00113);
            `"prolu"` (Taggart 2024); `"switch"` (Mudide et al. 2410.08201).
        d_dict: Features.
        k: Features a token (on average, for those that choose over a batch).
        sparsity: Coefficient of the sparsity penalty; `None` for the usual one of the architecture. `"jumprelu"`: what
            an active feature costs, in the variance of one dimension.
        target_l0: `"jumprelu"`: pay for the distance from this L0, `(L0 / target - 1)²` of the variance, instead of for
            each feature.
        steps: Updates.
        batch_size: Tokens an update.
        learning_rate: Adam's, after warm-up.
        betas: Adam's.
        warmup: Share of the steps over which the learning rate rises.
        decay: Share of the steps, at the end, over which it falls to 0.
        sparsity_warmup: Share of the steps over which the sparsity coefficient rises.
        clip: Greatest norm of the gradient; `None` for none.
        subtract_b_dec: Whether an autoencoder subtracts the decoder bias from its input; transcoders never do.
        decoder_norm: `"unit"`: decoder rows are kept at norm 1; `"free"`: they are not, and penalties weigh each
            activation with the norm of its row (Anthropic, April 2024).
        norm: What activations are scaled to: `"mean_norm"`: `E|x| = sqrt(d)`; `"rms"`: `E|x|² = d`; `"none"`.
        centre: Where the decoder bias begins.
        skip: A transcoder gets a linear skip connection (Paulo et al. 2501.18823).
        aux: Weight of AuxK, which lets dead features explain what is left (Gao et al. 2406.04093); 0 turns it off.
        aux_k: Dead features a token for AuxK; `None` for half of `d_out`.
        ghost: Ghost gradients for dead features (Anthropic, January 2024), for architectures with a penalty.
        dead_after: Tokens without firing after which a feature counts as dead.
        underused: Features that fire on a smaller share of tokens than this count as dead for AuxK too.
        resample: Steps at which dead features begin anew (Bricken et al. 2023).
        multi_k: `"topk"`: adds an eighth of the loss with `4 k` features (Multi-TopK).
        prefixes: `"matryoshka"`: sizes of the nested dictionaries, without the full one; `()` for 1/16, 1/8, 1/4, 1/2.
        zipf: `"feature_choice"`: exponent of the budgets of features by rank; 0 for equal budgets.
        threshold: `"jumprelu"`: where thresholds begin, as a share of the usual size of a pre-activation then.
        bandwidth: `"jumprelu"`: width of the kernel of its straight-through gradient, in the same unit.
        p_end: `"p_anneal"`: the power the penalty ends at; it begins at 1.
        p_start: `"p_anneal"`: share of the steps before it moves.
        experts: `"switch"`: number of experts; divides `d_dict`.
        balance: `"switch"`: weight of the load balance.
        copies: Dictionaries trained together from several seeds (Marks et al. 2411.01220).
        align: Their weight of `1 - MMCS`, the mean greatest cosine between their directions.
        tilt: Tilted risk `log(mean(exp(t l))) / t` over tokens (Muhamed et al. 2411.00743); 0 for the mean.
        end_to_end: `"kl"`: the error is the divergence of the model's predictions (Braun et al. 2405.12241);
            `"kl+downstream"`: plus what later residual streams differ by. Needs the model.
        downstream: Weight of the latter.
        buffer: Tokens shuffled together, when they stream from a model.
        context: Tokens in a context, when they stream from a model.
        seed: Of the weights and of the order of the data.

    Raises:
        TrainingError: An option is none of its values, or two contradict each other.

    Example:
        >>> plan = TrainingPlan("topk", d_dict=512, k=16)
        >>> TrainingPlan.from_json(plan.to_json()) == plan
        True
    """

    architecture: ArchitectureName = "topk"
    d_dict: int = 1024
    k: int = 32
    sparsity: float | None = None
    target_l0: float | None = None
    steps: int = 2000
    batch_size: int = 1024
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    warmup: float = 0.05
    decay: float = 0.2
    sparsity_warmup: float = 0.05
    clip: float | None = 1.0
    subtract_b_dec: bool = True
    decoder_norm: Literal["unit", "free"] = "unit"
    norm: Literal["mean_norm", "rms", "none"] = "mean_norm"
    centre: Literal["geometric_median", "mean", "zero"] = "geometric_median"
    skip: bool = False
    aux: float = 1 / 32
    aux_k: int | None = None
    ghost: bool = False
    dead_after: int = 200_000
    underused: float = 0.0
    resample: tuple[int, ...] = ()
    multi_k: bool = False
    prefixes: tuple[int, ...] = ()
    zipf: float = 0.0
    threshold: float = 1.0
    bandwidth: float = 1.0
    p_end: float = 0.2
    p_start: float = 0.2
    experts: int = 8
    balance: float = 3.0
    copies: int = 1
    align: float = 1.0
    tilt: float = 0.0
    end_to_end: Literal["none", "kl", "kl+downstream"] = "none"
    downstream: float = 1.0
    buffer: int = 131_072
    context: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise TrainingError(
                    f"{name} = {shorten(getattr(self, name))}.", f"Use one of {', '.join(map(repr, choices))}."
                )
        for name in ("d_dict", "k", "steps", "batch_size", "dead_after", "experts", "copies", "buffer", "context"):
            _require(self, name, isinstance(getattr(self, name), int) and getattr(self, name) >= 1, "from 1")
        for name in ("learning_rate", "bandwidth", "threshold"):
            _require(self, name, 0 < getattr(self, name) < float("inf"), "above 0")
        for name in ("warmup", "decay", "sparsity_warmup", "p_start", "underused"):
            _require(self, name, 0 <= getattr(self, name) <= 1, "a share, from 0 to 1")
        for name in ("aux", "zipf", "balance", "align", "tilt", "downstream"):
            _require(self, name, 0 <= getattr(self, name) < float("inf"), "from 0")
        for name in ("sparsity", "target_l0", "clip", "aux_k"):
            value = getattr(self, name)
            _require(self, name, value is None or 0 <= value < float("inf"), "from 0, or None")
        _require(self, "k", self.k <= self.d_dict, f"at most d_dict = {self.d_dict}")
        _require(self, "p_end", 0 < self.p_end <= 1, "above 0, at most 1")
        _require(self, "betas", len(self.betas) == 2 and all(0 <= b < 1 for b in self.betas), "two numbers below 1")
        rising = list(self.prefixes) == sorted(set(self.prefixes))
        inside = all(0 < size < self.d_dict for size in self.prefixes)
        _require(self, "prefixes", rising and inside, f"rising, between 0 and d_dict = {self.d_dict}")
        if self.architecture == "switch":
            _require(self, "experts", self.d_dict % self.experts == 0, f"a divisor of d_dict = {self.d_dict}")
            _require(self, "k", self.k <= self.d_dict // self.experts, "at most d_dict / experts")
        if self.target_l0 is not None and self.architecture != "jumprelu":
            raise TrainingError(f"target_l0 with {self.architecture!r}.", "It belongs to 'jumprelu'; others take k.")

    @property
    def counted(self) -> bool:
        """Whether sparsity is a number of features (`k`), not a coefficient."""
        return self.architecture in COUNTED

    @property
    def coefficient(self) -> float:
        """`sparsity`, or the usual one of the architecture; 0 for those that count."""
        return _SPARSITY.get(self.architecture, 0.0) if self.sparsity is None else self.sparsity

    @property
    def nested(self) -> tuple[int, ...]:
        """Sizes of all nested dictionaries of a Matryoshka one, the full one last."""
        usual = tuple(sorted({max(1, self.d_dict // part) for part in (16, 8, 4, 2)} - {self.d_dict}))
        return (*(self.prefixes or usual), self.d_dict) if self.architecture == "matryoshka" else (self.d_dict,)

    def to_json(self) -> str:
        """As JSON, sorted by name."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> TrainingPlan:
        """What `to_json` wrote.

        Raises:
            TrainingError: It is no plan.
        """
        try:
            given: dict[str, Any] = json.loads(text)
            unknown = set(given) - {field.name for field in fields(cls)}
            if unknown:
                raise TrainingError(f"Unknown options {shorten(sorted(unknown))}.", "A newer version wrote this plan.")
            options: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in given.items()}
            return cls(**options)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise TrainingError(f"This is no training plan ({shorten(error)}).") from None


def _require(plan: TrainingPlan, name: str, holds: bool, allowed: str) -> None:
    if not holds:
        raise TrainingError(f"{name} = {shorten(getattr(plan, name))}.", f"It is {allowed}.")
