"""One measurement of `attribution.py` in a process of its own, so that its peak memory is its own.

    python _attributions.py ours|circuit-tracer FOLDER JSON

It runs in our environment, or in that of circuit-tracer. `FOLDER` holds the model, the tokenizer and the transcoders
(`transcoders.npz`) that both use. Prints one line of JSON.
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import torch

K = 16


def added(before: int) -> float:
    """MB by which the peak of this process lies above `before` bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before) / 1e6


def rss() -> int:
    return psutil.Process().memory_info().rss


def parts(folder: Path):
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

    module = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    weights = {name: torch.from_numpy(value) for name, value in np.load(folder / "transcoders.npz").items()}
    return module, PreTrainedTokenizerFast.from_pretrained(folder), weights


def ours(folder: Path, job: dict) -> dict:
    """Seconds to 20 rows that can be seen, to the whole graph and to the pruned one."""
    import saewidgets as sw
    from saewidgets.circuits import Attribution
    from saewidgets.dictionaries import Activation, FeedForward
    from saewidgets.sites import Site

    module, tokenizer, w = parts(folder)
    layers, d = len(w) // 2, module.config.hidden_size
    transcoders = [
        FeedForward(
            w[f"enc{n}"], w[f"dec{n}"], torch.zeros(w[f"dec{n}"].shape[0]), torch.zeros(d),
            Activation("topk", k=K, rectify=False), Site("mlp_in", n), Site("mlp_out", n),
        )
        for n in range(layers)
    ]  # fmt: skip
    scope = sw.Scope(module, transcoders, tokenizer=tokenizer, name="random weights")
    scope.attribute(job["ids"][:4])  # what a session pays once
    before, first = rss(), 0.0
    began, busy = time.perf_counter(), time.process_time()
    making = Attribution(scope, job["ids"])
    for step in making:
        if not first and step.done >= 20:
            seen = step.graph()
            first = time.perf_counter() - began
            assert len(seen.columns) > 20
    graph = making.graph()
    whole, cpu = time.perf_counter() - began, time.process_time() - busy
    mb = added(before)
    began = time.perf_counter()
    pruned = graph.prune()
    prune = time.perf_counter() - began
    np.savez(folder / "ours.npz", adjacency=graph.adjacency.toarray(), probability=graph.columns.weight)
    scores = graph.scores()
    return {
        "features": making.estimate.features, "nodes": len(graph.columns), "first": first, "whole": whole, "cpu": cpu,
        "prune": prune, "mb": mb, "residual": graph.residual, "kept": len(pruned.columns),
        "edges": pruned.adjacency.nnz, "scores": [scores.replacement, scores.completeness],
    }  # fmt: skip


def circuit_tracer(folder: Path, job: dict) -> dict:
    """The same of circuit-tracer: the whole graph, and pruning."""
    from circuit_tracer import ReplacementModel  # noqa: F401  (sets the package up)
    from circuit_tracer.attribution.attribute import attribute
    from circuit_tracer.graph import compute_graph_scores, prune_graph
    from circuit_tracer.replacement_model.replacement_model_transformerlens import TransformerLensReplacementModel
    from circuit_tracer.transcoder.activation_functions import TopK
    from circuit_tracer.transcoder.single_layer_transcoder import SingleLayerTranscoder, TranscoderSet
    from transformer_lens import HookedTransformerConfig
    from transformer_lens.pretrained.weight_conversions import convert_llama_weights

    module, tokenizer, w = parts(folder)
    c, layers = module.config, len(w) // 2
    made = {}
    for n in range(layers):
        width = w[f"dec{n}"].shape[0]
        one = SingleLayerTranscoder(c.hidden_size, width, TopK(K), n, device=torch.device("cpu"), dtype=torch.float32)
        one.W_enc.data, one.W_dec.data = w[f"enc{n}"].T.contiguous(), w[f"dec{n}"]
        made[n] = one.requires_grad_(False)
    config = HookedTransformerConfig(
        d_model=c.hidden_size, d_head=c.hidden_size // c.num_attention_heads, n_heads=c.num_attention_heads,
        n_key_value_heads=c.num_key_value_heads, d_mlp=c.intermediate_size, n_layers=layers, n_ctx=256,
        eps=c.rms_norm_eps, d_vocab=c.vocab_size, act_fn="silu", normalization_type="RMS", final_rms=True,
        positional_embedding_type="rotary", rotary_adjacent_pairs=False, gated_mlp=True, device="cpu",
        rotary_dim=c.hidden_size // c.num_attention_heads,
    )  # fmt: skip
    transcoders = TranscoderSet(made, "mlp.hook_in", "mlp.hook_out")
    model = TransformerLensReplacementModel.from_config(config, transcoders)
    model.tokenizer = tokenizer
    state = convert_llama_weights(module, config)
    old = model.state_dict()
    named = {
        key.replace(".mlp.", ".mlp.old_mlp.").replace("unembed.", "unembed.old_unembed."): v for key, v in state.items()
    }
    assert set(named) <= set(old), sorted(set(named) - set(old))[:5]
    model.load_state_dict(named, strict=False)
    ids = torch.tensor(job["ids"])
    attribute(ids[:4], model, batch_size=128, verbose=False)
    before = rss()
    began, busy = time.perf_counter(), time.process_time()
    graph = attribute(ids, model, batch_size=128, verbose=False)
    whole, cpu = time.perf_counter() - began, time.process_time() - busy
    mb = added(before)
    began = time.perf_counter()
    nodes, edges, _ = prune_graph(graph)
    prune = time.perf_counter() - began
    np.savez(folder / "theirs.npz", adjacency=graph.adjacency_matrix.numpy())
    return {
        "features": len(graph.active_features), "nodes": len(graph.adjacency_matrix), "whole": whole, "cpu": cpu,
        "prune": prune, "mb": mb, "kept": int(nodes.sum()), "edges": int(edges.sum()),
        "scores": list(compute_graph_scores(graph)),
    }  # fmt: skip


if __name__ == "__main__":
    torch.manual_seed(0)
    side, place, described = sys.argv[1:]
    job = json.loads(described)
    torch.set_num_threads(job["threads"])
    found = (ours if side == "ours" else circuit_tracer)(Path(place), job)
    print(json.dumps(found))
