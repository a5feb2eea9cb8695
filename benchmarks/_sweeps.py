"""One measurement of `sweep.py` in a process of its own, so that its peak memory is its own.

    python _sweeps.py ours|bare|memory|flat|saedashboard FOLDER JSON

It runs in our environment, and for `saedashboard` in that of the peer. `FOLDER` holds the model, the tokenizer, the
dictionary (`dictionary.npz`) and the tokens (`tokens.npy`) that both use. Prints one line of JSON.
"""

import json
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import torch

LAYER = 3
K = 32


class Stop(Exception):
    """Ends a forward at the site."""


def added(before: int) -> float:
    """MB by which the peak of this process lies above `before` bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before) / 1e6


def rss() -> int:
    return psutil.Process().memory_info().rss


def scope_of(folder: Path):
    from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

    import saewidgets as sw
    from saewidgets.dictionaries import Activation, FeedForward
    from saewidgets.sites import Site

    module = GPT2LMHeadModel.from_pretrained(folder).eval()
    directions = torch.from_numpy(np.load(folder / "dictionary.npz")["directions"])
    width, d = directions.shape
    site = Site.parse(f"resid_post.{min(LAYER, module.config.n_layer - 1)}")
    sae = FeedForward(
        directions.T.contiguous(), directions, torch.zeros(width), torch.zeros(d), Activation("topk", k=K), site, site,
        architecture="topk",
    )  # fmt: skip
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    return sw.Scope(module, sae, tokenizer=tokenizer, name="random weights"), sae


def sweep(scope, ids, folder) -> float:
    began = time.perf_counter()
    scope.sweep(ids, store=folder, progress=False)
    return time.perf_counter() - began


@torch.no_grad()
def loop(scope, ids, encode) -> float:
    """Seconds of the forward to the site and the encoder, as anyone would write it."""
    module, seen = scope.model.module, []

    def stop(_module, _inputs, output):
        seen.append(output[0] if isinstance(output, tuple) else output)
        raise Stop

    hook = module.transformer.h[min(LAYER, module.config.n_layer - 1)].register_forward_hook(stop)
    began = time.perf_counter()
    for first in range(0, len(ids), 16):
        try:
            module(torch.from_numpy(ids[first : first + 16]), use_cache=False)
        except Stop:
            encode(seen.pop().flatten(0, 1))
    hook.remove()
    return time.perf_counter() - began


def bare(folder: Path, job: dict) -> dict:
    """Tokens a second of the bare loop, dense and with our sparse encoder, and of the sweep, taking turns."""
    scope, sae = scope_of(folder)
    ids = np.load(folder / "tokens.npy")[: job["tokens"] // 128]
    rates: dict[str, list[float]] = {"dense": [], "sparse": [], "sweep": []}
    loop(scope, ids[:32], sae.encode)
    for _ in range(job["rounds"]):
        rates["dense"].append(ids.size / loop(scope, ids, sae.encode))
        rates["sparse"].append(ids.size / loop(scope, ids, sae.encode_sparse))
        with tempfile.TemporaryDirectory() as store:
            rates["sweep"].append(ids.size / sweep(scope, ids, f"{store}/atlas"))
    return {name: statistics.median(values) for name, values in rates.items()}


def ours(folder: Path, job: dict) -> dict:
    """Seconds and added memory of one sweep of every feature, and the bytes it left."""
    scope, sae = scope_of(folder)
    ids = np.resize(np.load(folder / "tokens.npy"), (job["tokens"] // 128, 128))
    loop(scope, ids[:32], sae.encode)
    before = rss()
    with tempfile.TemporaryDirectory() as store:
        seconds = sweep(scope, ids, f"{store}/atlas")
        size = sum(path.stat().st_size for path in Path(store).rglob("*") if path.is_file())
    return {"seconds": seconds, "mb": added(before), "disk_mb": size / 1e6}


def flat(folder: Path, job: dict) -> dict:
    """Milliseconds to read the statistics of 1, 256 and all features, each from a newly opened atlas; and of a page."""
    import saewidgets as sw

    scope, sae = scope_of(folder)
    ids = np.load(folder / "tokens.npy")[: job["tokens"] // 128]
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as store:
        sweep(scope, ids, f"{store}/atlas")
        for count in (1, 256, sae.d_dict):
            times = []
            for _ in range(5):
                began = time.perf_counter()
                sw.Atlas.open(f"{store}/atlas").stats(scope.default_site).iloc[:count]
                times.append(time.perf_counter() - began)
            found[str(count)] = 1000 * statistics.median(times)
        atlas, times = sw.Atlas.open(f"{store}/atlas"), []
        for feature in range(20):
            began = time.perf_counter()
            page = atlas.feature(f"{scope.default_site}/{feature}")
            _ = page.examples, page.histogram, page.fires_on
            times.append(time.perf_counter() - began)
        found["page"] = 1000 * statistics.median(times)
    return found


def saedashboard(folder: Path, job: dict) -> dict:
    """Seconds for some features and their page, and added memory."""
    import sae_lens
    from sae_dashboard.data_writing_fns import save_feature_centric_vis
    from sae_dashboard.sae_vis_data import SaeVisConfig
    from sae_dashboard.sae_vis_runner import SaeVisRunner
    from transformer_lens import HookedTransformerConfig
    from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights
    from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

    module = GPT2LMHeadModel.from_pretrained(folder).eval()
    c = module.config
    config = HookedTransformerConfig(
        n_layers=c.n_layer, d_model=c.n_embd, n_heads=c.n_head, d_head=c.n_embd // c.n_head, d_mlp=4 * c.n_embd,
        n_ctx=c.n_positions, d_vocab=c.vocab_size, act_fn="gelu_new", normalization_type="LN", device="cpu",
        eps=c.layer_norm_epsilon,
    )  # fmt: skip
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.bos_token = tokenizer.pad_token = tokenizer.eos_token = tokenizer.eos_token or tokenizer.decode([0])
    model = sae_lens.HookedSAETransformer(config, tokenizer=None)
    model.tokenizer = tokenizer
    model.load_state_dict(convert_gpt2_weights(module, config), strict=False)
    tokens = torch.from_numpy(np.load(folder / "tokens.npy")[: job["tokens"] // 128])
    directions = torch.from_numpy(np.load(folder / "dictionary.npz")["directions"])
    # It folds the norms of W_dec, which are 1, and refuses to without the rescaling.
    size = {"d_in": c.n_embd, "d_sae": len(directions), "k": K}
    sae = sae_lens.TopKSAE(sae_lens.TopKSAEConfig(**size, rescale_acts_by_decoder_norm=True))
    sae.load_state_dict(
        {
            "W_enc": directions.T.contiguous(),
            "W_dec": directions,
            "b_enc": torch.zeros(len(directions)),
            "b_dec": torch.zeros(c.n_embd),
        }
    )
    hook = f"blocks.{LAYER}.hook_resid_post"
    with torch.no_grad():
        theirs = model.run_with_cache(tokens[:2], names_filter=hook)[1][hook]
        states = module(tokens[:2], output_hidden_states=True)  # the last one has the final norm in it
        same = torch.allclose(model(tokens[:2]).log_softmax(-1), states.logits.log_softmax(-1), atol=1e-3)
    before = rss()
    began = time.perf_counter()
    data = SaeVisRunner(SaeVisConfig(hook_point=hook, features=list(range(job["features"])))).run(
        encoder=sae, model=model, tokens=tokens
    )
    data.model = model
    seconds = time.perf_counter() - began
    peak = added(before)
    with tempfile.TemporaryDirectory() as out:
        began = time.perf_counter()
        save_feature_centric_vis(data, f"{out}/page.html")
        page = time.perf_counter() - began
        size = Path(f"{out}/page.html").stat().st_size / 1e6
    return {"seconds": seconds, "page": page, "mb": max(peak, added(before)), "page_mb": size, "same": same,
            "finite": bool(theirs.isfinite().all())}  # fmt: skip


def main() -> None:
    name, folder, job = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    torch.set_num_threads(job["threads"])
    out, sys.stdout = sys.stdout, sys.stderr  # libraries print
    found = {"bare": bare, "ours": ours, "flat": flat, "saedashboard": saedashboard}[name](folder, job)
    print(json.dumps(found), file=out, flush=True)


if __name__ == "__main__":
    main()
