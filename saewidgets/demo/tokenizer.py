"""The tokenizer: whole words where the lexicon has them, byte-level BPE for everything else.

A word that is in the vocabulary is taken whole (`ignore_merges`), so every word of the lexicon is one token, with
and without a
space before it as the corpus asks; anything unknown, in any script, falls back to merges and to bytes.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from saewidgets.demo.registers.drills import SYLLABLES

START, END = "<|start|>", "<|end|>"
PATTERN = r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]|\s+(?!\S)|\s"


def _splitter() -> pre_tokenizers.PreTokenizer:
    split = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def build(
    texts: list[str], words: list[str], required: list[str], vocabulary: int, merges: int
) -> PreTrainedTokenizerFast:
    """Learn a tokenizer.

    Args:
        texts: documents to learn pieces from.
        words: documents whose frequent words become tokens (those without nonsense words, which must stay in pieces).
        required: rare words that become tokens too.
        vocabulary: the number of tokens in all.
        merges: how many of them are learnt as BPE pieces; the rest are the most frequent whole words.
    """
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = _splitter()
    trainer = trainers.BpeTrainer(
        vocab_size=2 + 256 + merges,
        special_tokens=[START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    syllables = [f" {first}{second}" for first in SYLLABLES for second in SYLLABLES]
    pieces.train_from_iterator([*texts, *syllables * 4], trainer)
    state = json.loads(pieces.to_str())["model"]
    vocab: dict[str, int] = state["vocab"]

    counts: Counter[str] = Counter()
    splitter = _splitter()
    for text in words:
        counts.update(piece for piece, _ in splitter.pre_tokenize_str(text))
    frequent = [piece for piece, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    for piece in [piece.replace(" ", "Ġ") for piece in required] + frequent:
        if len(vocab) == vocabulary:
            break
        vocab.setdefault(piece, len(vocab))

    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(pair) for pair in state["merges"]], ignore_merges=True))
    tokenizer.pre_tokenizer = _splitter()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([START, END])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A", pair=f"{START} $A $B", special_tokens=[(START, vocab[START])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=END,
        pad_token=END,
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )


def save(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write ``tokenizer.json`` and ``tokenizer_config.json``."""
    tokenizer.save_pretrained(str(folder))
