"""A tiny random Llama with random dictionaries: fast, and nothing about it is special."""

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from saewidgets.dictionaries import Activation, FeedForward
from saewidgets.scope import Scope
from saewidgets.sites import Site

WIDTH = 16


def byte_tokenizer() -> PreTrainedTokenizerFast:
    pieces = ["<s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>")


def random_dictionary(
    site: str, seed: int, out: str | None = None, kind: str = "topk", d_dict: int = 40
) -> FeedForward:
    draw = torch.Generator().manual_seed(seed)
    return FeedForward(
        torch.randn(WIDTH, d_dict, generator=draw),
        torch.nn.functional.normalize(torch.randn(d_dict, WIDTH, generator=draw), dim=1),
        torch.randn(d_dict, generator=draw) * 0.1,
        torch.randn(WIDTH, generator=draw) * 0.1,
        Activation(kind, k=5, threshold=torch.tensor(0.5)),
        Site.parse(site),
        Site.parse(out or site),
    )


@pytest.fixture(scope="session")
def module():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=257, hidden_size=WIDTH, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2,
        max_position_embeddings=200, tie_word_embeddings=True, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    module = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(3)  # so that an edit has an effect worth measuring
    return module


@pytest.fixture(scope="session")
def tiny(module):
    dictionaries = {
        "resid_post.0": random_dictionary("resid_post.0", 1, kind="relu"),
        "resid_post.1": random_dictionary("resid_post.1", 2),
        "resid_post.1@small": random_dictionary("resid_post.1", 3, kind="jumprelu", d_dict=12),
        "mlp_in.2": random_dictionary("mlp_in.2", 4, out="mlp_out.2"),
    }
    labels = {"resid_post.1/3": "colour word", "resid_post.0/1": "word for an animal"}
    return Scope(module, dictionaries, tokenizer=byte_tokenizer(), labels=labels, name="tiny")
