"""sae-lens loads what we write, and we load what it writes, with equal numbers; see README.md.

Usage: python tests/peers/saelens.py [PIP OPTION...]
"""

import dataclasses
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np
import torch

import saewidgets as sw
from saewidgets.dictionaries import (
    Activation,
    Dictionary,
    FeedForward,
    MatchingPursuit,
    Norm,
    Temporal,
    load_dictionary,
)
from saewidgets.dictionaries.gated import fold_gated
from saewidgets.dictionaries.temporal import CodeAttention
from saewidgets.sites import Site

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parents[1] / "build" / "peers" / "saelens"
PINS = HERE / "saelens.txt"
TOLERANCE = 1e-5
D, M, N = 8, 24, 12
SITE, OUT = Site("resid_post", 1), Site("mlp_out", 1)


def environment(pip: list[str]) -> str:
    """The Python of an environment with the pins; made again when they changed."""
    python, stamp = str(ENVIRONMENT / "bin" / "python"), ENVIRONMENT / "pins"
    if not stamp.is_file() or stamp.read_text() != PINS.read_text():
        print(f"== making {ENVIRONMENT.relative_to(HERE.parents[1])} (some minutes)", flush=True)
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *pip, "-r", str(PINS)], check=True)
        stamp.write_text(PINS.read_text())
    return python


def draw(seed: int, **shapes: int | tuple[int, ...]) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(seed)
    return {name: torch.tensor(rng.normal(size=shape), dtype=torch.float32) for name, shape in shapes.items()}


def feed_forward(kind: str, d_out: int | None = None, **changes) -> FeedForward:
    w = draw(len(kind), W_enc=(D, M), W_dec=(M, d_out or D), b_enc=M, b_dec=d_out or D)
    threshold = draw(9, theta=M)["theta"].abs()
    activation = Activation(kind, 3 if "topk" in kind else None, threshold)
    site_out = OUT if d_out else SITE
    return dataclasses.replace(FeedForward(**w, activation=activation, site_in=SITE, site_out=site_out), **changes)


def counted(kind: str) -> FeedForward:
    made = feed_forward(kind)
    norms = made.W_dec.norm(dim=1)
    return dataclasses.replace(made, gate_scale=norms, value_scale=norms, row_scale=1 / norms)


def gated() -> FeedForward:
    w = draw(4, W=(D, M), b_gate=M, b_mag=M, r_mag=M)
    W_enc, b_enc, activation = fold_gated(w["W"], w["b_gate"], w["b_mag"], w["r_mag"] / 3)
    return feed_forward("relu", W_enc=W_enc, b_enc=b_enc, activation=activation)


def temporal(tied: bool, norm: Norm, kind: str = "topk", n_layers: int = 1) -> Temporal:
    shapes = {"W_q": (M, 8), "b_q": 8, "W_k": (M, 8), "b_k": 8, "W_v": (M, M), "b_v": M, "W_o": (M, M), "b_o": M}
    layers = tuple(CodeAttention(**draw(20 + i, **shapes), n_heads=2) for i in range(n_layers))
    w = draw(5, W_dec=(M, D), W_enc=(D, M), b=D)
    W_enc = w["W_dec"].T if tied else w["W_enc"]
    return Temporal(W_enc, w["W_dec"], w["b"], w["b"], layers, Activation(kind, 3), SITE, norm)


def ours() -> dict[str, Dictionary]:
    """One of everything that we write, and the dictionaries of the embedded model."""
    plain = {kind: feed_forward(kind) for kind in ("relu", "jumprelu", "topk", "abstopk", "prolu", "identity")}
    jump, z, small = plain["jumprelu"], Site("attn_z", 1), feed_forward("jumprelu")
    skip = {"W_skip": draw(6, s=(D, 6))["s"]}
    pursuit = draw(7, W=(M, D), b=D)
    rows = pursuit["W"] / pursuit["W"].norm(dim=1, keepdim=True)
    half = {name: getattr(small, name).bfloat16() for name in ("W_enc", "W_dec", "b_enc", "b_dec")}
    made: dict[str, Dictionary] = {
        **plain,
        **{f"{kind}, b_dec subtracted": dataclasses.replace(d, b_in=d.b_dec) for kind, d in plain.items()},
        **{f"{kind}, rows of unit norm": counted(kind) for kind in ("topk", "abstopk")},
        **{f"relu, {norm.kind}": feed_forward("relu", norm=norm) for norm in (Norm("token_norm"), Norm("layer_norm"))},
        "topk, layer_norm": feed_forward("topk", norm=Norm("layer_norm")),
        "gated": gated(),
        "jumprelu, one threshold": dataclasses.replace(
            jump, activation=Activation("jumprelu", threshold=torch.tensor(0.4))
        ),
        "jumprelu, unit_norm()": jump.unit_norm(),
        "jumprelu, norm factor": dataclasses.replace(
            jump, norm=Norm("factor", 0.4), b_in=jump.b_dec * 0.4, row_scale=torch.tensor(2.5)
        ),
        "jumprelu, another bias": dataclasses.replace(jump, b_in=draw(8, b=D)["b"]),
        "jumprelu, bfloat16": dataclasses.replace(small, **half),
        "relu, attn_z": feed_forward("relu", site_in=z, site_out=z),
        "transcoder": feed_forward("relu", 6),
        "transcoder, skip": feed_forward("relu", 6, **skip),
        "transcoder, jumprelu": feed_forward("jumprelu", 6),
        "transcoder, jumprelu, skip": feed_forward("jumprelu", 6, **skip),
        "matching pursuit": MatchingPursuit(rows, pursuit["b"], 5, SITE, 0.4, True),
        "matching pursuit, to the end": MatchingPursuit(rows, pursuit["b"], 5, SITE),
        "temporal, tied": temporal(True, Norm()),
        "temporal, scaled": temporal(True, Norm("factor", 1.7), n_layers=2),
        "temporal, untied": temporal(False, Norm("layer_norm"), "relu"),
    }
    demo = sw.demo().dictionaries.items()
    # The demo's transcoder is a TopK, for which sae-lens has no class.
    return made | {f"demo {name}": dictionary for name, dictionary in demo if dictionary.site_in == dictionary.site_out}


def numbers(dictionary: Dictionary, x: torch.Tensor) -> dict[str, np.ndarray]:
    return {"acts": dictionary.encode(x).numpy(), "output": dictionary.reconstruct(x).numpy()}


def differences(found: dict[str, np.ndarray], path: Path) -> list[float]:
    """Greatest difference of activations and of outputs, over the greatest number or 1."""
    with np.load(path) as known:
        return [float(np.abs(found[k] - known[k]).max() / max(1.0, np.abs(known[k]).max())) for k in ("acts", "output")]


def agree(*found: float) -> bool:
    return all(difference <= TOLERANCE for difference in found)


def main(pip: list[str]) -> int:
    python = environment(pip)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        written = {}
        for name, dictionary in ours().items():
            path = folder / "ours" / name
            dictionary.save(path, format="saelens")
            tokens = (2, N, dictionary.d_in) if isinstance(dictionary, Temporal) else (N, dictionary.d_in)
            x = draw(len(name), x=tokens)["x"]
            np.save(path / "x.npy", x.numpy())
            written[path] = numbers(dictionary, x)
        command = [python, str(HERE / "saelens_side.py"), str(folder)]
        done = subprocess.run(
            command, env=os.environ | {"WANDB_MODE": "disabled", "TQDM_DISABLE": "1"}, stdout=subprocess.PIPE, text=True
        )
        if done.returncode:
            return done.returncode
        print(done.stdout.strip().splitlines()[-1])
        rows = []
        for path, found in written.items():
            rows.append(("ours, loaded by sae-lens", path.name, *differences(found, path / "theirs.npz")))
        for path in sorted((folder / "theirs").iterdir()):
            found = numbers(load_dictionary(path), torch.tensor(np.load(path / "x.npy")))
            rows.append(("sae-lens, loaded by us", path.name, *differences(found, path / "theirs.npz")))
        control = differences(written[folder / "ours" / "relu"], folder / "ours" / "topk" / "theirs.npz")
        assert not agree(*control), "control: the numbers of another dictionary must differ"
    for direction, name, acts, output in rows:
        verdict = "ok" if agree(acts, output) else "DIFFERS"
        print(f"{direction:<26}{name:<42}activations {acts:.1e}  output {output:.1e}  {verdict}")
    bad = sum(not agree(*row[2:]) for row in rows)
    print(f"{len(rows) - bad} of {len(rows)} agree to {TOLERANCE:g}; greatest {max(max(row[2:]) for row in rows):.1e}")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
