"""NDIF, as far as it goes without the service: nnsight's local simulation ships and restores each request."""

import nnsight
import pytest
import torch

from saewidgets.errors import ModelError, SiteError
from saewidgets.model.remote import RemoteModel
from saewidgets.sites import Site
from tests.model import tiny

IDS = tiny.prompt()
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def remote():
    from saewidgets.model import FAMILIES

    model = nnsight.TransformersModel(
        tiny.make("llama"), tokenizer=tiny.tokenizer(), task="text-generation", dispatch=True
    )
    return RemoteModel(model, model.tokenizer, family=FAMILIES["llama"], name="tiny", backend="local")


def test_values_and_writes_equal_local_ones(remote, llama):
    sites = ["resid_pre.0", "resid_mid.1", "mlp_out.1", "attn_out.1", "final"]
    writes = {site: lambda value, values, offset: value * 1.5 for site in (Site("resid_mid", 1), Site("mlp_out", 1))}
    there, here = remote.trace(IDS, sites, writes), llama.traced.trace(IDS, sites, writes)
    assert torch.equal(there.logits, here.logits)
    for site in here.values:
        assert torch.equal(there.values[site], here.values[site])
        assert torch.equal(there.before[site], here.before[site])


def test_stops_early(remote, llama):
    there = remote.trace(IDS, ["resid_post.1"], logits=False)
    assert there.logits is None
    assert torch.equal(there.values[Site("resid_post", 1)], llama.traced.trace(IDS, ["resid_post.1"]).values[
        Site("resid_post", 1)])  # fmt: skip


def test_refuses_what_it_cannot_do(remote):
    with pytest.raises(ModelError, match="gradients"):
        remote.trace(IDS, grad=True)
    with pytest.raises(SiteError):
        remote.trace(IDS, ["resid_post.7"])
    with pytest.raises(ModelError, match="not a hub id"):
        RemoteModel.open(tiny.make("llama"))
