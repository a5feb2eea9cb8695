"""One tiny valid dictionary of every layout that is read, written here by the layout's own rules.

Six features in four dimensions: small enough to damage 100,000 times a minute. The names of files and tensors are those
of the libraries; the numbers are noise.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from tests.attacks.containers import Tensors, json_file, npz_file, safetensors_file, torch_file, yaml_file

D, N = 4, 6


@dataclass(frozen=True)
class Tiny:
    """A dictionary on disk.

    Args:
        name: Of the layout.
        format: Of the module that reads it.
        files: Path below the folder -> bytes.
        path: What `load_dictionary` is given, below the folder.
        arguments: What it is given besides.
        optional: Tensors without which it is another legal dictionary.
    """

    name: str
    format: str
    files: dict[str, bytes]
    path: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()


LAYOUTS: list[Callable[[], Tiny]] = []


def _layout(make: Callable[[], Tiny]) -> Callable[[], Tiny]:
    LAYOUTS.append(make)
    return make


def table() -> list[Tiny]:
    """All of them, the same at every call."""
    return [make() for make in LAYOUTS]


def noise(**shapes: tuple[int, ...]) -> Tensors:
    """Seeded float32 tensors, positive so that thresholds, norms and variances are legal everywhere."""
    draw = torch.Generator().manual_seed(7)
    return {name.replace("__", "."): torch.rand(shape, generator=draw) + 0.1 for name, shape in shapes.items()}


def canonical(**more: tuple[int, ...]) -> Tensors:
    return noise(W_enc=(D, N), W_dec=(N, D), b_enc=(N,), b_dec=(D,), **more)


def linear(encoder: str, decoder: str) -> Tensors:
    """Two `nn.Linear`: weights are [out, in]."""
    return noise(**{f"{encoder}.weight": (N, D), f"{encoder}.bias": (N,), f"{decoder}.weight": (D, N),
                    f"{decoder}.bias": (D,)})  # fmt: skip


# ------------------------------------------------------------------------------------------------- ours and SAELens


@_layout
def ours() -> Tiny:
    from saewidgets.dictionaries.activation import Activation
    from saewidgets.dictionaries.feedforward import FeedForward
    from saewidgets.dictionaries.formats.native import to_bytes
    from saewidgets.sites import Site

    w = canonical(threshold=(N,))
    activation = Activation("jumprelu", threshold=w.pop("threshold"))
    site = Site("resid_post", 3)
    dictionary = FeedForward(**w, activation=activation, site_in=site, site_out=site, b_in=w["b_dec"] + 0)
    return Tiny("ours", "saewidgets", {"d.safetensors": to_bytes(dictionary)}, "d.safetensors",
                optional=frozenset({"b_in"}))  # fmt: skip


def saelens_config(architecture: str, **more: Any) -> bytes:
    metadata = {"sae_lens_version": "6.54.12", "model_name": "tiny", "hook_name": "blocks.1.hook_resid_post"}
    base = {"architecture": architecture, "d_in": D, "d_sae": N, "dtype": "float32", "device": "cpu",
            "apply_b_dec_to_input": True, "normalize_activations": "none", "reshape_activations": "none"}  # fmt: skip
    return json_file({**base, **more, "metadata": metadata})


def saelens_folder(name: str, tensors: Tensors, **config: Any) -> Tiny:
    return Tiny(name, "saelens", {"cfg.json": saelens_config(name.split(" ")[1], **config),
                       "sae_weights.safetensors": safetensors_file(tensors)})  # fmt: skip


@_layout
def saelens_standard() -> Tiny:
    return saelens_folder("saelens standard", canonical())


@_layout
def saelens_topk() -> Tiny:
    return saelens_folder("saelens topk", canonical(), k=2, rescale_acts_by_decoder_norm=True)


@_layout
def saelens_jumprelu() -> Tiny:
    half = {name: tensor.bfloat16() for name, tensor in canonical(threshold=(N,)).items()}
    return saelens_folder("saelens jumprelu", half, dtype="bfloat16")


@_layout
def saelens_gated() -> Tiny:
    return saelens_folder("saelens gated", noise(W_enc=(D, N), W_dec=(N, D), b_dec=(D,), b_gate=(N,), b_mag=(N,),
                          r_mag=(N,)))  # fmt: skip


@_layout
def saelens_checkpoint() -> Tiny:
    tensors = canonical() | {"topk_threshold": torch.tensor(0.5, dtype=torch.float64)}
    return saelens_folder("saelens batchtopk", tensors, k=2, rescale_acts_by_decoder_norm=True)


@_layout
def saelens_pursuit() -> Tiny:
    return saelens_folder("saelens matching_pursuit", noise(W_dec=(N, D), b_dec=(D,)), max_iterations=2,
                          residual_threshold=0.1, stop_on_duplicate_support=True)  # fmt: skip


@_layout
def saelens_whitened() -> Tiny:
    made = saelens_folder("saelens standard", canonical(), normalize_activations="covariance_whitening")
    whitening = noise(mean=(D,), matrix=(D, D), inverse_matrix=(D, D))
    return dataclasses.replace(made, name="saelens standard, whitened", files={
        **made.files, "activation_scaler.json": json_file({"scaling_factor": 0.5, "has_whitening": True}),
        "activation_whitening.safetensors": safetensors_file(whitening)})  # fmt: skip


# ------------------------------------------------------------------------------------------------- published releases


@_layout
def gemma_scope() -> Tiny:
    path = "layer_5/width_16k/average_l0_10"
    return Tiny(
        "gemma scope",
        "gemma_scope",
        {f"{path}/params.npz": npz_file(canonical(threshold=(N,)))},
        path,
        {"site": "resid_post.5"},
    )


@_layout
def gemma_scope_compressed() -> Tiny:
    data = npz_file(canonical(threshold=(N,)), compressed=True)
    return Tiny("gemma scope, compressed", "gemma_scope", {"params.npz": data}, "params.npz", {"site": "resid_post.5"})


@_layout
def gemma_scope_2() -> Tiny:
    path = "resid_post/layer_5_width_16k_l0_small"
    tensors = noise(w_enc=(D, N), w_dec=(N, D), b_enc=(N,), b_dec=(D,), threshold=(N,))
    config = {"architecture": "jump_relu", "model_name": "gemma-v3-270m-pt", "width": N, "l0": 2,
              "hf_hook_point_in": "model.layers.5.output"}  # fmt: skip
    return Tiny("gemma scope 2", "gemma_scope_2", {f"{path}/params.safetensors": safetensors_file(tensors),
                                  f"{path}/config.json": json_file(config)}, path)  # fmt: skip


@_layout
def llama_scope() -> Tiny:
    tensors = {name: tensor.bfloat16() for name, tensor in linear("encoder", "decoder").items()}
    tensors["decoder.weight"] /= tensors["decoder.weight"].norm(dim=0)
    hook = "blocks.15.hook_resid_post"
    config = {"hook_point_in": hook, "hook_point_out": hook, "d_model": D, "d_sae": N, "use_decoder_bias": True,
              "apply_decoder_bias_to_pre_encoder": False, "norm_activation": "dataset-wise", "act_fn": "jumprelu",
              "jump_relu_threshold": 0.6, "sparsity_include_decoder_norm": True, "top_k": 50,
              "use_glu_encoder": False, "dataset_average_activation_norm": {"in": 9.0, "out": 9.0}}  # fmt: skip
    return Tiny("llama scope", "llama_scope", {"hyperparams.json": json_file(config),
                                "checkpoints/final.safetensors": safetensors_file(tensors)})  # fmt: skip


def llamascopium_config(**more: Any) -> bytes:
    hook = "blocks.5.hook_resid_post"
    return json_file({"sae_type": "sae", "hook_point_in": hook, "hook_point_out": hook, "use_glu_encoder": False,
                      "d_model": D, "use_decoder_bias": True, "act_fn": "jumprelu", "norm_activation": "dataset-wise",
                      "sparsity_include_decoder_norm": True, "top_k": 50, **more})  # fmt: skip


@_layout
def llamascopium() -> Tiny:
    tensors = noise(W_E=(D, N), b_E=(N,), W_D=(N, D), b_D=(D,), activation_function__log_jumprelu_threshold=(N,),
                    dataset_average_activation_norm__blocks__5__hook_resid_post=(1,))  # fmt: skip
    return Tiny("llamascopium", "llamascopium", {"config.json": llamascopium_config(),
                                 "sae_weights.safetensors": safetensors_file(tensors)})  # fmt: skip


@_layout
def circuit_tracer() -> Tiny:
    tensors = noise(W_enc=(N, D), W_dec=(N, D), b_enc=(N,), b_dec=(D,), W_skip=(D, D))
    tensors["activation_function.threshold"] = tensors["b_enc"] / 2
    return Tiny("circuit-tracer set", "circuit_tracer", {"config.yaml": circuit_tracer_config("transcoder_set"),
                                       "layer_0.safetensors": safetensors_file(tensors)},
                optional=frozenset({"W_skip", "activation_function.threshold"}))  # fmt: skip


def circuit_tracer_config(kind: str) -> bytes:
    return yaml_file({"model_kind": kind, "model_name": "Qwen/Qwen3-0.6B", "feature_input_hook": "mlp.hook_in",
                      "feature_output_hook": "mlp.hook_out"})  # fmt: skip


@_layout
def matryoshka_saes() -> Tiny:
    tensors = canonical(sq_act_running_avg=(N,), normalizer__running_avg=(1,))
    return Tiny(
        "matryoshka saes",
        "matryoshka_saes",
        {"matryoshka.pt": torch_file(tensors)},
        "matryoshka.pt",
        {"site": "resid_post.3"},
    )


# ----------------------------------------------------------------------------------- several places, layers or experts


@_layout
def llamascopium_crosscoder() -> Tiny:
    hooks = [f"blocks.{layer}.hook_resid_post" for layer in (2, 3)]
    tensors = noise(W_E=(2, D, N), b_E=(2, N), W_D=(2, N, D), b_D=(2, D),
                    **{f"dataset_average_activation_norm.{hook}": (1,) for hook in hooks})  # fmt: skip
    config = llamascopium_config(sae_type="crosscoder", hook_points=hooks, act_fn="relu")
    return Tiny("llamascopium crosscoder", "llamascopium", {"config.json": config,
                "sae_weights.safetensors": safetensors_file(tensors)})  # fmt: skip


@_layout
def circuit_tracer_clt() -> Tiny:
    files = {"config.yaml": circuit_tracer_config("cross_layer_transcoder")}
    for i in range(2):
        encoder = noise(**{f"W_enc_{i}": (N, D), f"b_enc_{i}": (N,), f"b_dec_{i}": (D,)})
        files[f"W_enc_{i}.safetensors"] = safetensors_file(encoder)
        files[f"W_dec_{i}.safetensors"] = safetensors_file(noise(**{f"W_dec_{i}": (N, 2 - i, D)}))
    return Tiny("circuit-tracer CLT", "circuit_tracer", files)


@_layout
def gemma_scope_2_clt() -> Tiny:
    files = {f"clt/params_layer_{i}.safetensors": safetensors_file(
        noise(w_enc=(D, N), w_dec=(N, 2, D), b_enc=(N,), b_dec=(D,), threshold=(N,))) for i in range(2)}  # fmt: skip
    return Tiny("gemma scope 2 CLT", "gemma_scope_2", files, "clt")


@_layout
def crosscoder_of_two_models() -> Tiny:
    tensors = noise(W_enc=(2, D, N), W_dec=(N, 2, D), b_enc=(N,), b_dec=(2, D))
    config = {"dict_size": N, "d_in": D, "model_name": "gemma-2-2b", "site": "resid_pre", "layer": 14,
              "hook_point": "blocks.14.hook_resid_pre", "enc_dtype": "fp32"}  # fmt: skip
    return Tiny("crosscoder, ckkissane", "crosscoders", {"cfg.json": json_file(config),
                                                         "cc_weights.pt": torch_file(tensors)})  # fmt: skip


@_layout
def crosscoder_of_layers() -> Tiny:
    tensors = noise(encoder__weight=(2, D, N), encoder__bias=(N,), decoder__weight=(2, N, D), decoder__bias=(2, D))
    tensors |= {"code_normalization_id": torch.tensor(1), "target_rms": torch.tensor(1.0),
                "activation_mean": torch.full((2, D), float("nan")), "activation_global_scale": torch.ones(2),
                "activation_std": torch.full((2, D), float("nan"))}  # fmt: skip
    config = {
        "activation_dim": D,
        "dict_size": N,
        "num_layers": 2,
        "code_normalization": "CROSSCODER",
        "code_normalization_alpha_cc": 0.1,
        "code_normalization_alpha_sae": 1.0,
        "latent_processor": None,
    }
    return Tiny("crosscoder, science of finetuning", "crosscoders", {"config.json": json_file(config),
                "model.safetensors": safetensors_file(tensors)}, arguments={"site": "resid_post.13"})  # fmt: skip


@_layout
def switch() -> Tiny:
    tensors = noise(encoder__weight=(N, D), decoder=(N, D), router__weight=(2, D), b_dec=(D,), b_router=(D,))
    config = {"trainer": {"dict_class": "SwitchAutoEncoder", "activation_dim": D, "dict_size": N, "k": 2, "experts": 2,
                          "heaviside": False, "layer": 8, "lm_name": "gpt2"}}  # fmt: skip
    return Tiny("switch", "switch_sae", {"ae.pt": torch_file(tensors), "config.json": json_file(config)},
                arguments={"site": "resid_post.8"})  # fmt: skip


def attention(width: int, bottleneck: int) -> Tensors:
    names = {"q_target": bottleneck, "k_ctx": bottleneck, "v_ctx": width, "c_proj": width}
    return noise(**{f"attn_layers.0.{name}.weight": (size, width) for name, size in names.items()},
                 **{f"attn_layers.0.{name}.bias": (size,) for name, size in names.items()})  # fmt: skip


@_layout
def temporal() -> Tiny:
    tensors = noise(D=(8, D), b=(D,)) | attention(8, 2)
    config = {"llm": {"dimin": D}, "data": {"dtype": "float32"},
              "sae": {"bottleneck_factor": 4, "exp_factor": 2, "kval_topk": 2, "n_attn_layers": 1, "n_heads": 2,
                      "sae_diff_type": "topk", "scaling_factor": 2.0, "tied_weights": True}}  # fmt: skip
    return Tiny("temporal", "temporal_saes", {"layer_12/temporal/conf.yaml": yaml_file(config),
                "layer_12/temporal/latest_ckpt.safetensors": safetensors_file(tensors)}, "layer_12/temporal",
                {"site": "resid_post.12"})  # fmt: skip


# ------------------------------------------------------------------------------------------- state dicts without config


@_layout
def e2e_sae() -> Tiny:
    tensors = {f"blocks-6-hook_resid_pre.{key}": value for key, value in linear("encoder.0", "decoder").items()}
    return Tiny("e2e sae", "e2e_sae", {"samples_4.pt": torch_file(tensors)}, "samples_4.pt")


@_layout
def attention_sae() -> Tiny:
    config = {"act_size": D, "dict_size": N, "act_name": "blocks.5.attn.hook_z", "layer": 5}
    return Tiny("attention sae, ckkissane", "ckkissane_attn", {"run.pt": torch_file(canonical()),
                "run_cfg.json": json_file(config)}, "run.pt")  # fmt: skip


@_layout
def transcoder_circuits() -> Tiny:
    name = "final_blocks.8.ln2.hook_normalized_6.pt"
    data = torch_file({"state_dict": canonical(b_dec_out=(D,))})
    return Tiny("transcoder, Dunefsky", "transcoder_circuits", {name: data}, name)


@_layout
def transcoder_circuits_again() -> Tiny:
    data = safetensors_file(canonical(b_dec_out=(D,)))
    return Tiny("transcoder, Dunefsky, saved again", "transcoder_circuits", {"weights.safetensors": data},
                arguments={"site": "mlp_in.8"})  # fmt: skip


def atoms() -> Tensors:
    rows = noise(rows=(N, D))["rows"]
    return {"dictionary._weights": rows / rows.norm(dim=1, keepdim=True), "dictionary.multiplier": torch.tensor(0.3)}


def vision_encoder(batch_norm: bool = False) -> Tensors:
    block = {"0.weight": (N, D), "0.bias": (N,)}
    names = ("weight", "bias", "running_mean", "running_var") if batch_norm else ()
    return noise(**{f"encoder.final_block.{key}": shape for key, shape in block.items()},
                 **{f"encoder.final_block.1.{key}": (N,) for key in names})  # fmt: skip


@_layout
def overcomplete_topk() -> Tiny:
    return Tiny("overcomplete TopKSAE", "overcomplete", {"s.pt": torch_file(atoms() | vision_encoder())}, "s.pt",
                {"site": "resid_post.11", "architecture": "TopKSAE", "k": 2})  # fmt: skip


@_layout
def overcomplete_jump() -> Tiny:
    tensors = atoms() | vision_encoder(batch_norm=True) | noise(thresholds=(N,))
    return Tiny("overcomplete JumpSAE", "overcomplete", {"s.safetensors": safetensors_file(tensors)}, "s.safetensors",
                {"site": "resid_post.11"})  # fmt: skip


@_layout
def overcomplete_tied() -> Tiny:
    tensors = atoms() | {key.replace("dictionary.", "encoder.tied_to."): value for key, value in atoms().items()}
    data = torch_file(tensors | noise(encoder__bias=(N,)))
    return Tiny("overcomplete, tied", "overcomplete", {"s.pt": data}, "s.pt",
                {"site": "resid_post.11", "architecture": "SAE"}, frozenset({"encoder.bias"}))  # fmt: skip


@_layout
def overcomplete_archetypal() -> Tiny:
    tensors = noise(dictionary__W=(N, 5), dictionary__C=(5, D), dictionary__Relax=(N, D), dictionary__multiplier=())
    return Tiny("overcomplete, archetypal", "overcomplete", {"s.pth": torch_file(tensors | vision_encoder())}, "s.pth",
                {"site": "resid_post.11", "architecture": "SAE"})  # fmt: skip


# ------------------------------------------------------------------------------------------ one torch file, or a config


def trainer(name: str, tensors: Tensors, **arguments: Any) -> Tiny:
    config = {"trainer": {"dict_class": name, "activation_dim": D, "dict_size": N, "k": 2, "layer": 8,
                          "lm_name": "EleutherAI/pythia-70m", "submodule_name": "resid_post_layer_8"}}  # fmt: skip
    return Tiny(f"dictionary_learning {name}", "dictionary_learning", {"ae.pt": torch_file(tensors),
                "config.json": json_file(config)}, arguments=arguments)  # fmt: skip


def encoder_and_directions(*biases: str) -> Tensors:
    return noise(encoder__weight=(N, D), encoder__bias=(N,), decoder__weight=(D, N), **dict.fromkeys(biases, (D,)))


@_layout
def dictionary_learning() -> Tiny:
    return trainer("AutoEncoder", encoder_and_directions("bias"))


@_layout
def dictionary_learning_new() -> Tiny:
    return trainer("AutoEncoderNew", linear("encoder", "decoder"))


@_layout
def dictionary_learning_gated() -> Tiny:
    tensors = noise(encoder__weight=(N, D), decoder__weight=(D, N), decoder_bias=(D,), r_mag=(N,), gate_bias=(N,),
                    mag_bias=(N,))  # fmt: skip
    return trainer("GatedAutoEncoder", tensors)


@_layout
def dictionary_learning_topk() -> Tiny:
    tensors = encoder_and_directions("b_dec") | {"k": torch.tensor(2), "threshold": torch.tensor(0.5)}
    return dataclasses.replace(trainer("AutoEncoderTopK", tensors), optional=frozenset({"threshold"}))


@_layout
def dictionary_learning_batchtopk() -> Tiny:
    return trainer("BatchTopKSAE", encoder_and_directions("b_dec") | {"k": torch.tensor(2),
                   "threshold": torch.tensor(0.5)})  # fmt: skip


@_layout
def dictionary_learning_jumprelu() -> Tiny:
    return trainer("JumpReluAutoEncoder", canonical(threshold=(N,)))


@_layout
def dictionary_learning_matryoshka() -> Tiny:
    more = {"k": torch.tensor(2), "threshold": torch.tensor(0.5), "group_sizes": torch.tensor([2, N - 2])}
    return trainer("MatryoshkaBatchTopKSAE", canonical() | more)


@_layout
def sparsify() -> Tiny:
    tensors = noise(encoder__weight=(N, D), encoder__bias=(N,), W_dec=(N, D), b_dec=(D,))
    config = {"activation": "topk", "expansion_factor": N // D, "normalize_decoder": True, "num_latents": N, "k": 2,
              "multi_topk": False, "skip_connection": False, "d_in": D}  # fmt: skip
    return Tiny("sparsify", "sparsify", {"layers.5/cfg.json": json_file(config),
                "layers.5/sae.safetensors": safetensors_file(tensors)}, "layers.5")  # fmt: skip


@_layout
def sparsify_transcoder() -> Tiny:
    tensors = noise(encoder__weight=(N, D), encoder__bias=(N,), W_dec=(N, D), b_dec=(D,), W_skip=(D, D))
    config = {"activation": "groupmax", "num_latents": N, "k": 2, "signed": False, "transcode": True,
              "skip_connection": True, "d_in": D}  # fmt: skip
    return Tiny("sparsify skip transcoder", "sparsify", {"layers.5.mlp/cfg.json": json_file(config),
                "layers.5.mlp/sae.safetensors": safetensors_file(tensors)}, "layers.5.mlp")  # fmt: skip


@_layout
def openai() -> Tiny:
    entries = noise(encoder__weight=(N, D), decoder__weight=(D, N), pre_bias=(D,), latent_bias=(N,),
                    stats_last_nonzero=(N,))  # fmt: skip
    state = {"k": 2, "postact_fn": "ReLU"}
    data = torch_file(entries | {"activation": "TopK", "activation_state_dict": state})
    return Tiny("openai", "openai", {"resid_post_mlp_v5_32k/autoencoders/8.pt": data},
                "resid_post_mlp_v5_32k/autoencoders/8.pt")  # fmt: skip


@_layout
def goodfire() -> Tiny:
    data = torch_file(linear("encoder_linear", "decoder_linear"))
    return Tiny("goodfire", "goodfire", {"Llama-3.1-8B-Instruct-SAE-l19.pth": data})


@_layout
def qresearch() -> Tiny:
    half = {name: tensor.bfloat16() for name, tensor in linear("encoder", "decoder").items()}
    return Tiny("qresearch", "qresearch", {"sae.pt": torch_file(half)}, "sae.pt", {"site": "resid_post.19"})


@_layout
def qwen_scope() -> Tiny:
    data = torch_file(noise(W_enc=(N, D), W_dec=(D, N), b_enc=(N,), b_dec=(D,)))
    return Tiny("qwen scope", "qwen_scope", {"layer0.sae.pt": data}, "layer0.sae.pt", {"k": 2})


def bartbussmann(kind: str, **more: tuple[int, ...]) -> Tiny:
    config = {"sae_type": kind, "act_size": D, "dict_size": N, "top_k": 2, "input_unit_norm": True, "seed": 49,
              "hook_point": "blocks.8.hook_resid_pre"}  # fmt: skip
    return Tiny(f"bartbussmann {kind}", "bartbussmann_batchtopk", {"sae.pt": torch_file(canonical(**more)),
                "config.json": json_file(config)})  # fmt: skip


@_layout
def bartbussmann_batchtopk() -> Tiny:
    return bartbussmann("batchtopk")


@_layout
def bartbussmann_jumprelu() -> Tiny:
    return bartbussmann("jumprelu", jumprelu__log_threshold=(N,))
