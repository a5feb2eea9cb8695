"""The same on a GPU: devices and types are honoured, values come back on one device."""

import pytest
import torch

from saewidgets.model import TracedModel
from saewidgets.sites import Site
from tests.model import tiny

pytestmark = pytest.mark.gpu
IDS = tiny.prompt()


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_equal_to_the_cpu(family):
    gpu = TracedModel.wrap(tiny.make(family), device="cuda")
    cpu = TracedModel.wrap(tiny.make(family))
    writes = {Site("resid_post", 0): lambda value, *_: value * 1.5}
    there, here = (model.trace(IDS, model.sites(), writes) for model in (gpu, cpu))
    assert there.logits.device.type == "cuda"
    for site in here.values:
        torch.testing.assert_close(there.values[site].cpu(), here.values[site], rtol=1e-3, atol=1e-3)
    ids = [*IDS[:-1], 5]
    again = gpu.trace(ids, gpu.sites(), writes, key="half")
    torch.testing.assert_close(again.logits.cpu(), cpu.trace(ids, [], writes).logits, rtol=1e-3, atol=1e-3)


def test_a_model_spread_by_device_map(tmp_path):
    tiny.make("llama").save_pretrained(tmp_path)
    traced = TracedModel.wrap(str(tmp_path), tiny.tokenizer(), device_map="auto", dtype="bfloat16")
    trace = traced.trace(IDS, traced.sites())
    assert {value.device for value in trace.values.values()} == {traced.device}
