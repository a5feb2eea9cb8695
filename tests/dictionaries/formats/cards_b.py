"""What the load card says of each fixture of group B, but source, files and hashes."""

CARDS: dict[tuple[str, ...], str] = {
    ("circuit_tracer__clt_relu", ""): """\
circuit_tracer
site_in: resid_mid.0 (config.yaml: feature_input_hook)
site_out: mlp_out.0 (config.yaml: feature_output_hook)
layers: 3 (W_enc_*.safetensors)
activation: relu (W_enc_0.safetensors)
bias: b_dec is not subtracted (by format)
input norm: none (by format)
decoder norm: not used (by format)
""",
    ("circuit_tracer__transcoder_set_jumprelu", ""): """\
circuit_tracer
site_in: mlp_in.0 (config.yaml: feature_input_hook)
site_out: mlp_out.0 (config.yaml: feature_output_hook)
activation: jumprelu (layer_0.safetensors: activation_function.threshold)
bias: b_dec is not subtracted (by format)
input norm: none (by format)
decoder norm: not used (by format)
skip: none (layer_0.safetensors)
""",
    ("circuit_tracer__transcoder_set_relu", "layer_0.safetensors"): """\
circuit_tracer
site_in: mlp_in.0 (config.yaml: feature_input_hook)
site_out: mlp_out.0 (config.yaml: feature_output_hook)
activation: relu (layer_0.safetensors: no threshold)
bias: b_dec is not subtracted (by format)
input norm: none (by format)
decoder norm: not used (by format)
skip: none (layer_0.safetensors)
""",
    ("circuit_tracer__transcoder_set_relu", "", "site"): """\
circuit_tracer
site_in: mlp_in.1 (argument site)
site_out: mlp_out.1 (config.yaml: feature_output_hook)
activation: relu (layer_1.safetensors: no threshold)
bias: b_dec is not subtracted (by format)
input norm: none (by format)
decoder norm: not used (by format)
skip: none (layer_1.safetensors)
""",
    ("crosscoder__ckkissane_model_diff", ""): """\
crosscoders
site_in: resid_pre.14 (cfg.json: hook_point)
activation: relu (by format)
bias: b_dec is not subtracted (by format)
decoder norm: not used (by format)
norm factor: 1.0 (by format: inputs are scaled before)
! Scale the activations of each model to a mean norm of sqrt(d
""",
    ("crosscoder__science_of_finetuning_crosscoder", "", "site"): """\
crosscoders
site_in: resid_post.13 (argument site)
bias: b_dec is not subtracted (by format)
scale: without the code normalisation (by format)
activation: relu (model.safetensors: no threshold)
decoder norm: not used (codes were crosscoder) (model.safetensors)
input norm: none (model.safetensors: activation_mean)
""",
    ("crosscoder__science_of_finetuning_crosscoder", "ae.pt", "site"): """\
crosscoders
site_in: resid_post.13 (argument site)
bias: b_dec is not subtracted (by format)
scale: without the code normalisation (by format)
activation: relu (ae.pt: no threshold)
decoder norm: not used (codes were crosscoder) (ae.pt)
input norm: none (ae.pt: activation_mean)
""",
    ("gemma_scope_2__jumprelu", ""): """\
gemma_scope_2
site_in: resid_post.5 (config.json: hf_hook_point_in)
site_out: resid_post.5 (as it reads)
activation: jumprelu (by format)
bias: b_dec is not subtracted (by format)
input norm: none (by format)
decoder norm: not used (by format)
skip: none (params.safetensors)
""",
    ("gemma_scope__embedding_npz", ""): """\
gemma_scope
site_in: embed (path and repository)
activation: jumprelu (by format)
bias: b_dec is not subtracted (by format)
decoder norm: not used (by format)
norm factor: 0.020833333333333332 (by format: embeddings of a model of width 2304)
! Gemma 2 multiplies embeddings by the root of its width. 16 i
""",
    ("gemma_scope__jumprelu_npz", "", "site"): """\
gemma_scope
site_in: resid_post.5 (argument site)
activation: jumprelu (by format)
bias: b_dec is not subtracted (by format)
decoder norm: not used (by format)
input norm: none (by format)
""",
    ("gemma_scope__jumprelu_npz", "", "strict"): """\
gemma_scope
site_in: resid_post.5 (assumed: most dictionaries of Gemma Scope read the residual stream)
activation: jumprelu (by format)
bias: b_dec is not subtracted (by format)
decoder norm: not used (by format)
input norm: none (by format)
""",
    ("llama_scope__jumprelu", ""): """\
llama_scope
site_in: resid_post.15 (hyperparams.json: hook_point_in)
site_out: resid_post.15 (hyperparams.json: hook_point_out)
norm factor: 0.4444444444444444 (hyperparams.json: dataset_average_activation_norm)
bias: False (hyperparams.json: apply_decoder_bias_to_pre_encoder)
decoder norm: not used (hyperparams.json)
activation: jumprelu (hyperparams.json: act_fn)
scale: raw activations; SAELens multiplies by the norm factor (by format)
threshold: 0.6 (hyperparams.json: jump_relu_threshold, in raw units)
! Its decoder rows have not unit norm, unlike published ones.
""",
    ("llamascopium__jumprelu_dataset_wise", ""): """\
llamascopium
site_in: resid_post.5 (config.json: hook_point_in)
site_out: resid_post.5 (config.json: hook_point_out)
bias: b_D is not subtracted (by format)
scale: of the training (by format)
norm factor: 0.5714285714285714 (dataset_average_activation_norm.blocks.5.hook_resid_post)
activation: jumprelu (config.json: act_fn)
decoder norm: in the selection (config.json: sparsity_include_decoder_norm)
""",
    ("matryoshka__nabeshima_relu", "", "site"): """\
matryoshka_saes
norm factor: 0.5333333333333333 (matryoshka.pt: normalizer.running_avg)
activation: relu (by format)
bias: b_dec is not subtracted (by format)
decoder norm: multiplies activations (by format)
scale: the authors', divided by sqrt(d_dict / d_in) (by format)
site_in: resid_post.1 (argument site)
""",
    ("switch_sae__switch", "", "site"): """\
switch_sae
bias: b_dec is subtracted (by format)
input norm: none (by format)
decoder norm: not used (by format)
experts: 4 (ae.pt: router.weight)
k: 6 (config.json: k)
heaviside: False (config.json: heaviside)
site_in: resid_post.8 (argument site)
""",
    ("temporal_saes__conf_yaml", "", "site"): """\
temporal_saes
site_in: resid_post.12 (argument site)
activation: topk (conf.yaml: sae_diff_type)
k: 6 (conf.yaml: kval_topk)
norm factor: 2.0 (conf.yaml: scaling_factor)
bias: b is subtracted (by format)
decoder norm: not used (by format)
encoder: tied to D (latest_ckpt.safetensors)
""",
}
