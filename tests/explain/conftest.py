"""The tiny scope, and a plain float64 twin of its model: hooks and formulas, nothing of ours."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import saewidgets as sw
from tests.runs.conftest import byte_tokenizer, module, random_dictionary, tiny

__all__ = ["module", "tiny"]


class Twin:
    """A Llama in float64 whose residual stream after block 1 can be read and changed."""

    def __init__(self, module: torch.nn.Module, block: int = 1) -> None:
        self.module = copy.deepcopy(module).double()
        self.block = block

    def __call__(self, ids: list[int], change: Callable[[Tensor], Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Logits `[T, vocab]` and the stream `[T, d]` before the change."""
        seen = []

        def hook(_module, _args, output):
            value = output[0] if isinstance(output, tuple) else output
            seen.append(value[0])
            if change is None:
                return None
            changed = change(value[0])[None]
            return (changed, *output[1:]) if isinstance(output, tuple) else changed

        handle = self.module.model.layers[self.block].register_forward_hook(hook)
        try:
            logits = self.module(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0]
        finally:
            handle.remove()
        return logits, seen[0]


@pytest.fixture(scope="session")
def uneven(module):
    """The tiny model with a final norm whose gains differ, as they do in trained models."""
    model = copy.deepcopy(module)
    with torch.no_grad():
        model.model.norm.weight.copy_(torch.rand(16, generator=torch.Generator().manual_seed(5)) * 4)
    return model


@pytest.fixture(scope="session")
def small(uneven):
    """A scope with one dictionary after block 1: TopK, with activations of any size."""
    dictionary = random_dictionary("resid_post.1", 2)
    return sw.Scope(uneven, {"resid_post.1": dictionary}, tokenizer=byte_tokenizer(), name="small")


@pytest.fixture(scope="session")
def twin(uneven):
    return Twin(uneven)
