"""One side of `benchmarks/training.py`, in a process and an environment of its own: ours or a peer's trainer.

Reads requests as JSON lines and answers each: `speed` times some updates, `train` trains to the end and measures L0 and
FVU on two splits that were held out, the last of the activations.
"""

import json
import os
import sys
import time

import numpy as np
import torch

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
SPLIT = 10_000
# What a job goes on with that is measured again.
KEPT = {}


def ours(job, x):
    """A function that makes one update, and one that encodes and reconstructs."""
    from saewidgets.dictionaries.train import TensorSource, Trainer, TrainingPlan

    names = {"standard": "relu"}
    options = {"prefixes": tuple(job["groups"][:-1])} if job["architecture"] == "matryoshka" else {}
    if job["architecture"] in ("standard", "gated"):
        options = {"decoder_norm": "free"}
    plan = TrainingPlan(
        names.get(job["architecture"], job["architecture"]), d_dict=job["width"], k=job["k"], sparsity=job["sparsity"],
        target_l0=job["aim"] if job["architecture"] == "jumprelu" else None, steps=job["steps"],
        batch_size=job["batch"], learning_rate=job["rate"], seed=job["seed"],
        dead_after=job["dead"] * job["batch"], **options,
    )  # fmt: skip
    trainer = Trainer(plan, TensorSource(x, seed=job["seed"]), "resid_post.2")
    steps = trainer.steps(every=10**9)
    loop = trainer._loop

    def finish(test):
        """Features and reconstruction."""
        dictionary = trainer.dictionary()
        return dictionary.encode(test), dictionary.reconstruct(test)

    return (lambda: next(steps, None)) if job["do"] == "train" else loop.advance, finish


def dictionary_learning(job, x):
    """As `ours`, inputs scaled to a mean square of 1 as its `trainSAE` does."""
    from dictionary_learning.trainers.batch_top_k import BatchTopKTrainer
    from dictionary_learning.trainers.gdm import GatedSAETrainer
    from dictionary_learning.trainers.jumprelu import JumpReluTrainer
    from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKTrainer
    from dictionary_learning.trainers.standard import StandardTrainerAprilUpdate
    from dictionary_learning.trainers.top_k import TopKTrainer

    factor = x.pow(2).sum(1).mean().sqrt()
    steps = job["steps"]
    common = {
        "steps": steps, "activation_dim": x.shape[1], "dict_size": job["width"], "layer": 2, "lm_name": "demo",
        "lr": job["rate"], "warmup_steps": steps // 20, "decay_start": int(0.8 * steps), "seed": job["seed"],
        "device": "cpu",
    }  # fmt: skip
    counted = {"k": job["k"], "threshold_start_step": steps // 4, "threshold_beta": 0.99}
    penalty = {"sparsity_warmup_steps": steps // 20}
    name = job["architecture"]
    if name == "topk":
        trainer = TopKTrainer(**common, **counted)
    elif name == "batchtopk":
        trainer = BatchTopKTrainer(**common, **counted)
    elif name == "matryoshka":
        sizes = np.diff([0, *job["groups"]]) / job["width"]
        trainer = MatryoshkaBatchTopKTrainer(**common, **counted, group_fractions=sizes.tolist())
    elif name == "jumprelu":
        trainer = JumpReluTrainer(**common, **penalty, target_l0=job["aim"], sparsity_penalty=job["sparsity"])
    elif name == "gated":
        trainer = GatedSAETrainer(**common, **penalty, l1_penalty=job["sparsity"])
    else:
        trainer = StandardTrainerAprilUpdate(**common, **penalty, l1_penalty=job["sparsity"])
    # Its AuxK waits for ten million silent tokens; here it begins when the others' does.
    trainer.dead_feature_threshold = job["dead"] * job["batch"]
    order = batches(x / factor, job)
    count = iter(range(10**9))

    def finish(test):
        with torch.no_grad():
            f = trainer.ae.encode(test / factor)
            return f, trainer.ae.decode(f) * factor

    return lambda: trainer.update(next(count), next(order)), finish


def saelens(job, x):
    """As `ours`, inputs scaled to a mean norm of sqrt(d) as its runner does."""
    import sae_lens
    from sae_lens.config import SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    name, steps = job["architecture"], job["steps"]
    size = {"d_in": x.shape[1], "d_sae": job["width"], "device": "cpu"}
    warm = {"l1_coefficient": job["sparsity"], "l1_warm_up_steps": steps // 20}
    if name == "topk":
        sae = sae_lens.TopKTrainingSAE(
            sae_lens.TopKTrainingSAEConfig(**size, k=job["k"], use_sparse_activations=job["sparse"])
        )
    elif name == "batchtopk":
        sae = sae_lens.BatchTopKTrainingSAE(sae_lens.BatchTopKTrainingSAEConfig(**size, k=job["k"]))
    elif name == "matryoshka":
        config = sae_lens.MatryoshkaBatchTopKTrainingSAEConfig(**size, k=job["k"], matryoshka_widths=job["groups"])
        sae = sae_lens.MatryoshkaBatchTopKTrainingSAE(config)
    elif name == "jumprelu":
        config = sae_lens.JumpReLUTrainingSAEConfig(
            **size, l0_coefficient=job["sparsity"], l0_warm_up_steps=steps // 20
        )
        sae = sae_lens.JumpReLUTrainingSAE(config)
    elif name == "gated":
        sae = sae_lens.GatedTrainingSAE(sae_lens.GatedTrainingSAEConfig(**size, **warm))
    else:
        sae = sae_lens.StandardTrainingSAE(sae_lens.StandardTrainingSAEConfig(**size, **warm))
    factor = x.norm(dim=1).mean() / x.shape[1] ** 0.5
    with torch.no_grad():  # the geometric median is where its runner would put it for other libraries; it begins at 0
        order = batches(x / factor, job)
    config = SAETrainerConfig(
        total_training_samples=steps * job["batch"], train_batch_size_samples=job["batch"], lr=job["rate"],
        lr_warm_up_steps=steps // 20, lr_decay_steps=steps // 5, lr_end=job["rate"] / 1000,
        dead_feature_window=job["dead"],
    )  # fmt: skip
    trainer = SAETrainer(config, sae, order)

    def update():
        trainer.step(next(order))
        trainer.n_training_steps += 1

    def finish(test):
        sae.eval()
        with torch.no_grad():
            f = sae.encode(test / factor)
            return f, sae.decode(f) * factor

    return update, finish


def batches(x, job):
    """Batches in a new order each time through."""
    draw = torch.Generator().manual_seed(job["seed"])
    while True:
        order = torch.randperm(len(x), generator=draw)
        for first in range(0, len(x) - job["batch"] + 1, job["batch"]):
            yield x[order[first : first + job["batch"]]]


def answer(job, make, x):
    torch.manual_seed(job["seed"])
    way = job["architecture"], job["sparse"]
    if not job.get("again"):
        KEPT[way] = make(job, x[: -2 * SPLIT])
    update, finish = KEPT[way]
    if job["do"] == "speed":
        for _ in range(job["warm"]):
            update()
        began = time.perf_counter()
        for _ in range(job["updates"]):
            update()
        return {"tokens_per_second": job["updates"] * job["batch"] / (time.perf_counter() - began)}
    for _ in range(job["steps"]):
        update()
    return {"selection": judged(finish, x[-2 * SPLIT : -SPLIT]), "score": judged(finish, x[-SPLIT:])}


def judged(finish, test):
    """L0 and FVU."""
    f, output = finish(test)
    f = f.to_dense() if f.is_sparse else f
    left = (test - output).double().pow(2).sum() / (test - test.mean(0)).double().pow(2).sum()
    return {"l0": float((f != 0).double().sum(1).mean()), "fvu": float(left)}


def main():
    make = {"ours": ours, "dictionary_learning": dictionary_learning, "saelens": saelens}[sys.argv[1]]
    x = torch.from_numpy(np.load(sys.argv[2]))
    out, sys.stdout = sys.stdout, sys.stderr  # libraries print
    for line in sys.stdin:
        try:
            found = answer(json.loads(line), make, x)
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(found), file=out, flush=True)


if __name__ == "__main__":
    main()
