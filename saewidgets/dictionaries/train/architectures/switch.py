"""Switch (Mudide et al. 2410.08201): a router sends each token to one of several TopK experts.

`p = softmax((x - b_router) W_router)`, `e = argmax p`, `f = TopK(relu((x - b_dec) W_enc)) on the columns of e, times
p_e`; `loss = |x - x'|² + α E Σ_e (share of tokens sent to e)(mean of p_e)`. Only the chosen expert is computed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.switch import Switch
from saewidgets.dictionaries.train import chosen, finished, linear
from saewidgets.dictionaries.train.architectures import counted
from saewidgets.dictionaries.train.chosen import Choose, Entries, Places
from saewidgets.dictionaries.train.core import Batch, Buffers, Frame, Moment, Outcome, Params, Sites


def initial(frame: Frame, draw: torch.Generator) -> tuple[Params, Buffers]:
    """Parameters of experts and router; k as it is set."""
    params = linear.initial(frame, draw, encoder_bias=None)
    router = torch.randn(frame.d_in, frame.plan.experts, generator=draw) / frame.d_in**0.5
    routing = {"W_router": router.to(frame.x_scale.device), "b_router": params["b_dec"].clone()}
    return params | routing, {"k": torch.tensor(frame.plan.k)}


def route(params: Params, x: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities `[n, experts]` and the expert `[n]` of each token."""
    probabilities = ((x - params["b_router"]) @ params["W_router"]).softmax(1)
    return probabilities, probabilities.argmax(1)


def imbalance(probabilities: Tensor, expert: Tensor) -> Tensor:
    """`E Σ_e share_e mean(p_e)`: 1 when all experts get the same, E when one gets all."""
    experts = probabilities.shape[1]
    share = torch.bincount(expert, minlength=experts).to(probabilities.dtype) / len(expert)
    return experts * (share @ probabilities.mean(0))


def within(expert: Tensor, experts: int, k: int) -> Choose:
    """The k greatest of each token among the columns of its expert."""

    def choose(read: Tensor, W_enc: Tensor, b_enc: Tensor) -> tuple[Places, Tensor]:
        size = W_enc.shape[1] // experts
        rows, columns, values = [], [], []
        for e in range(experts):
            mine = (expert == e).nonzero()[:, 0]
            part = slice(e * size, (e + 1) * size)
            best = torch.addmm(b_enc[part], read[mine], W_enc[:, part]).topk(k, dim=1)
            rows.append(mine.repeat_interleave(k))
            columns.append(best.indices.flatten() + part.start)
            values.append(best.values.flatten())
        row = torch.cat(rows)
        order = row.argsort(stable=True)
        return Entries(row[order], torch.cat(columns)[order], len(read), W_enc.shape[1]), torch.cat(values)[order]

    return choose


def loss(params: Params, buffers: Buffers, batch: Batch, frame: Frame, now: Moment) -> Outcome:
    """What one batch costs."""
    plan = frame.plan
    probabilities, expert = route(params, batch.x)
    no_bias = batch.x.new_zeros(plan.d_dict)
    choose = within(expert, plan.experts, now.k)
    values, entries = chosen.encode(batch.x, params["b_dec"], params["W_enc"], no_bias, choose)
    assert isinstance(entries, Entries)
    values = values.relu() * probabilities.gather(1, expert[:, None])[entries.row, 0]
    written = counted.outputs(params, batch.x, values, entries, [plan.d_dict])
    extra = {"balance": (plan.balance, imbalance(probabilities, expert))}
    living = Moment(now.share, now.sparsity, now.k)  # the balance, not AuxK, keeps its experts alive
    return counted.outcome(
        params, {"k": torch.tensor(now.k)}, batch, frame, living,
        values=values, entries=entries, written=written, extra=extra,
    )  # fmt: skip


def finish(params: Params, buffers: Buffers, frame: Frame, sites: Sites) -> Dictionary:
    """The dictionary, in the units of the model."""
    folded = linear.fold(params, frame)
    return Switch(
        W_enc=folded["W_enc"],
        W_dec=folded["W_dec"],
        b_dec=folded["b_dec"],
        W_router=(params["W_router"] / frame.x_scale[:, None]).detach().clone(),
        b_router=(params["b_router"] * frame.x_scale).detach().clone(),
        k=int(buffers["k"]),
        site_in=sites[0][0],
        card=finished.card(frame),
    )
