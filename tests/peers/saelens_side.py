"""The side of sae-lens: its numbers for our folders, and folders of its own.

Usage: python saelens_side.py FOLDER

For each `FOLDER/ours/NAME` (with `x.npy`) it writes `theirs.npz`: activations, and the output. It then saves
dictionaries of its own to `FOLDER/theirs/NAME`, with `x.npy` and the same numbers.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import sae_lens
import torch
from sae_lens.saes.sae import SAEMetadata
from sae_lens.training.activation_scaler import ActivationScaler

warnings.simplefilter("ignore")
D, M, N = 8, 24, 12
HOOKS = {"model_name": "tiny", "hook_name": "blocks.1.hook_resid_post"}
NORMS = ("none", "layer_norm", "constant_norm_rescale")


def numbers(sae, x, scaler=None):
    """Activations and output; heads are split for what reads `hook_z`, and put side by side again."""
    scaler = scaler or ActivationScaler()  # which does nothing
    with torch.no_grad():
        given = scaler.scale(x.unflatten(-1, (2, -1)) if sae.cfg.reshape_activations == "hook_z" else x)
        f, output = sae.encode(given), scaler.unscale(sae(given))
    return {"acts": f.float().numpy(), "output": output.float().reshape(*x.shape[:-1], -1).numpy()}


def check_ours(folder: Path) -> None:
    # float32 whatever the file holds: we compute so too
    sae = sae_lens.SAE.load_from_disk(folder, dtype="float32")
    np.savez(folder / "theirs.npz", **numbers(sae, torch.tensor(np.load(folder / "x.npy"))))


def save(folder: Path, name: str, **options) -> None:
    """A dictionary of random weights, as `save_model` writes it."""
    architecture = options.pop("architecture", name)
    training, scaler = options.pop("training", False), options.pop("scaler", None)
    get = sae_lens.registry.get_sae_training_class if training else sae_lens.registry.get_sae_class
    kind, config = get(architecture)
    hooks = {**HOOKS, "hook_name_out": "blocks.1.hook_mlp_out"} if "transcoder" in architecture else HOOKS
    metadata = SAEMetadata(**{**hooks, **options.pop("metadata", {})})
    sae = kind(config(d_in=D, d_sae=M, metadata=metadata, **options))
    draw = torch.Generator().manual_seed(sum(map(ord, name)))
    for key, value in sae.named_parameters():
        scale = 0.3 if key == "r_mag" else 1.0
        value.data = torch.randn(value.shape, generator=draw) * scale
        if key == "threshold":
            value.data = value.data.abs()
    if architecture == "matching_pursuit":
        sae.W_dec.data /= sae.W_dec.data.norm(dim=1, keepdim=True)
    sae.save_model(folder / name)
    if scaler is not None:
        scaler.save(str(folder / name / "activation_scaler.json"))
    shape = (2, N, D) if architecture == "temporal" else (N, D)
    x = torch.randn(shape, generator=draw)
    np.save(folder / name / "x.npy", x.numpy())
    np.savez(folder / name / "theirs.npz", **numbers(sae, x, scaler))


def save_theirs(folder: Path) -> None:
    for norm in NORMS:
        for plain in ("standard", "gated", "jumprelu"):
            save(folder, f"{plain}, {norm}", architecture=plain, normalize_activations=norm)
        save(folder, f"topk, {norm}", architecture="topk", k=3, normalize_activations=norm)
    save(folder, "standard, b_dec not subtracted", architecture="standard", apply_b_dec_to_input=False)
    save(folder, "gated, b_dec not subtracted", architecture="gated", apply_b_dec_to_input=False)
    for kind in ("topk", "abstopk"):
        save(folder, f"{kind}, rescaled", architecture=kind, k=3, rescale_acts_by_decoder_norm=True)
    save(folder, "abstopk", k=3)
    for kind in ("transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder"):
        save(folder, kind, d_out=6, apply_b_dec_to_input=False)
    heads = {"hook_name": "blocks.1.attn.hook_z"}
    save(folder, "hook_z", architecture="standard", reshape_activations="hook_z", metadata=heads)
    save(folder, "matching_pursuit", max_iterations=5, residual_threshold=0.4)
    save(folder, "matching_pursuit, no bias", architecture="matching_pursuit", apply_b_dec_to_input=False)
    sequence = {"architecture": "temporal", "n_heads": 2, "bottleneck_factor": 3, "kval_topk": 3}
    scaled = {"normalize_activations": "constant_scalar_rescale", "activation_normalization_factor": 1.7}
    save(folder, "temporal, tied", **sequence, **scaled)
    save(folder, "temporal, untied", **sequence, tied_weights=False, n_attn_layers=2)
    save(folder, "temporal, untied, not subtracted", **sequence, tied_weights=False, apply_b_dec_to_input=False)
    save(folder, "temporal, relu", **{**sequence, "sae_diff_type": "relu"}, normalize_activations="layer_norm")
    for kind, more in {"batchtopk": {}, "matryoshka_batchtopk": {"matryoshka_widths": [8, M]}}.items():
        for rescale in (False, True):
            options = {"k": 3, "rescale_acts_by_decoder_norm": rescale, **more}
            save(folder, f"{kind}, training, {rescale}", architecture=kind, training=True, **options)
    for kind in ("standard", "gated", "jumprelu"):
        save(folder, f"{kind}, training", architecture=kind, training=True)
    save(folder, "topk, training", architecture="topk", training=True, k=3)
    whitening = ActivationScaler()
    draw = torch.Generator().manual_seed(0)
    batches = (torch.randn(64, D, generator=draw) @ torch.randn(D, D, generator=draw) + 1 for _ in range(9))
    whitening.estimate_whitening(D, batches, 8)
    scalers = {"expected_average_only_in": ActivationScaler(0.4), "covariance_whitening": whitening}
    for kind, more in {"standard": {}, "gated": {}, "jumprelu": {}, "topk": {"k": 3}, "batchtopk": {"k": 3}}.items():
        for norm, scaler in scalers.items():
            options = {"normalize_activations": norm, "scaler": scaler, **more}
            save(folder, f"{kind}, training, {norm[:10]}", architecture=kind, training=True, **options)


def main(folder: Path) -> None:
    for path in sorted((folder / "ours").iterdir()):
        check_ours(path)
    save_theirs(folder / "theirs")
    print(json.dumps({"sae-lens": sae_lens.__version__, "torch": torch.__version__}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
