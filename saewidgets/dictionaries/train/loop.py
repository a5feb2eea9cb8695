"""The loop: one update after another, whatever the architecture."""

from __future__ import annotations

import torch
from torch import Tensor

from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.train import revive
from saewidgets.dictionaries.train.adopt import adopt
from saewidgets.dictionaries.train.architectures import aligned, architecture_of
from saewidgets.dictionaries.train.core import Batch, Frame, Moment, Outcome, Params, Sites
from saewidgets.dictionaries.train.measure import measure
from saewidgets.dictionaries.train.plan import TrainingPlan
from saewidgets.dictionaries.train.source import Sample, Source
from saewidgets.errors import TrainingError

# How fast the running mean of each feature's density follows the batches.
_DENSITY_RATE = 0.01
# What the learning rate is multiplied by: Adam moves each number by about its learning rate, and the logarithm of a
# threshold has further to go than a weight.
_PACE = {"log_threshold": 10.0}


class Loop:
    """The numbers of a run, and `advance`, which makes one update of them.

    Args:
        plan: Every choice.
        source: The data.
        frame: What was measured on them, if it is known.
        start: A dictionary to go on from.
    """

    def __init__(
        self, plan: TrainingPlan, source: Source, frame: Frame | None = None, start: Dictionary | None = None
    ) -> None:
        self.plan, self.source = plan, source
        self.frame = frame or measure(plan, source)
        self.architecture = architecture_of(plan)
        self.draw = torch.Generator().manual_seed(plan.seed)
        self.params, self.buffers = self.architecture.initial(self.frame, self.draw)
        if start is not None:
            adopt(self.params, self.buffers, start, self.frame)
        for value in self.params.values():
            value.requires_grad_()
        groups = [{"params": [value], "pace": _pace(name)} for name, value in self.params.items()]
        self.optimizer = torch.optim.Adam(groups, lr=plan.learning_rate, betas=plan.betas, fused=True)
        device = self.frame.y_scale.device
        self.silent = torch.zeros(plan.copies * plan.d_dict, dtype=torch.int64, device=device)
        self.density = torch.zeros(plan.copies * plan.d_dict, device=device)
        self.step = self.tokens = 0
        self.sparsity: float = plan.k if plan.counted else plan.coefficient
        self.rate = 0.0
        self.outcome: Outcome | None = None
        self.batch: Batch | None = None

    def advance(self) -> bool:
        """One update; False when there are no more data.

        Raises:
            TrainingError: The loss is not finite.
        """
        sample = self.source.next(self.plan.batch_size)
        if sample is None:
            return False
        batch = self._scaled(sample)
        outcome = self.architecture.loss(self.params, self.buffers, batch, self.frame, self._moment())
        outcome.loss.backward()
        if self.step % 100 == 0 and not torch.isfinite(outcome.loss):
            raise TrainingError(f"The loss is {float(outcome.loss)} at step {self.step}.", "Lower learning_rate.")
        self._update()
        self.buffers, self.outcome, self.batch = outcome.buffers, outcome.detached(), batch
        self._track(outcome.fired, len(batch.x))
        self.step += 1
        if self.step in self.plan.resample:
            self._resample(batch, outcome.output)
        return True

    def dead(self) -> Tensor:
        """`[features]`: silent for too long, or used too little."""
        dead = self.silent > self.plan.dead_after
        if self.plan.underused and self.tokens > self.plan.dead_after:
            dead = dead | (self.density < self.plan.underused)
        return dead

    def finish(self, sites: Sites, copy: int = 0) -> Dictionary:
        """The dictionary as it is now."""
        params, buffers = self.params, self.buffers
        if self.plan.copies > 1:
            params, buffers = aligned.part(params, copy), aligned.part(buffers, copy)
        with torch.no_grad():
            return self.architecture.finish(params, buffers, self.frame, sites)

    def moments(self) -> tuple[Params, Params]:
        """Adam's two moments by parameter."""
        state = self.optimizer.state
        first, second = (
            {name: state[value][key] for name, value in self.params.items()} for key in ("exp_avg", "exp_avg_sq")
        )
        return first, second

    def _scaled(self, sample: Sample) -> Batch:
        frame = self.frame
        x = sample.x.float() / frame.x_scale
        y = sample.y.float() / frame.y_scale if sample.y is not sample.x else x
        if sample.fidelity is None:
            return Batch(x, y, lambda output: (y - output).pow(2).sum(1))
        given = sample.fidelity
        return Batch(x, y, lambda output: given(output * frame.y_scale))

    def _moment(self) -> Moment:
        plan = self.plan
        dead = self.dead()
        return Moment(
            share=self.step / plan.steps,
            sparsity=0.0 if plan.counted else self.sparsity * _rising(self.step, plan.sparsity_warmup * plan.steps),
            k=int(self.sparsity) if plan.counted else plan.k,
            dead=dead if bool(dead.any()) else None,
        )

    def _update(self) -> None:
        plan = self.plan
        rows = [value for name, value in self.params.items() if name.endswith("W_dec")]
        if plan.decoder_norm == "unit":
            for W_dec in rows:
                _remove_parallel(W_dec)
        if plan.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.params.values(), plan.clip)
        falling = (plan.steps - self.step) / max(1e-9, plan.decay * plan.steps)
        self.rate = plan.learning_rate * min(_rising(self.step, plan.warmup * plan.steps), falling)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * group["pace"]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if plan.decoder_norm == "unit":
            with torch.no_grad():
                for W_dec in rows:
                    W_dec.div_(W_dec.norm(dim=1, keepdim=True).clamp_min(1e-12))

    def _track(self, fired: Tensor, tokens: int) -> None:
        self.silent.add_(tokens).masked_fill_(fired > 0, 0)
        self.density.lerp_(fired.to(self.density.dtype) / tokens, max(_DENSITY_RATE, 1 / (self.step + 1)))
        self.tokens += tokens

    def _resample(self, batch: Batch, output: Tensor) -> None:
        dead, moments = self.dead().chunk(self.plan.copies), self.moments()
        for copy, mine in enumerate(dead):
            if self.plan.copies == 1:
                params, own = self.params, moments
            else:
                params = aligned.part(self.params, copy)
                own = (aligned.part(moments[0], copy), aligned.part(moments[1], copy))
            revive.resample(params, own, mine, batch, output.detach(), self.frame, self.draw)
        self.silent[self.dead()] = 0


def _pace(name: str) -> float:
    return _PACE.get(name.rpartition(".")[2], 1.0)  # of a copy: its number comes first


def _rising(step: int, over: float) -> float:
    return min(1.0, (step + 1) / over) if over > 0 else 1.0


@torch.no_grad()
def _remove_parallel(W_dec: Tensor) -> None:
    """Take out of the gradient what would only change the norm of rows, which is 1."""
    assert W_dec.grad is not None
    W_dec.grad.addcmul_((W_dec.grad * W_dec).sum(1, keepdim=True), W_dec, value=-1)
