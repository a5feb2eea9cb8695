"""Text to token ids, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from saewidgets.errors import ModelError, PromptError, shorten


def encode(text: str, tokenizer: Any, bos: int | None) -> list[int]:
    """Token ids of a text, before any check of their number.

    Args:
        text: The prompt. Lone surrogates, which no encoding can write, become U+FFFD.
        tokenizer: A Hugging Face tokenizer.
        bos: Put this first when the tokenizer did not; `None` to take what the tokenizer returns.

    Returns:
        The ids.

    Raises:
        PromptError: Not a text, empty, or nothing the tokenizer knows.
        ModelError: There is no tokenizer.
    """
    if tokenizer is None:
        raise ModelError("This model has no tokenizer.", "Pass tokenizer= when wrapping it, or give token ids.")
    if not isinstance(text, str):
        raise PromptError(f"A prompt is a text, not {shorten(text)}.", "Pass a str.")
    if not text:
        raise PromptError("The prompt is empty.", "Type at least one character.")
    clean = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    ids = _ids(clean, tokenizer)
    if bos is not None and ids[:1] != [bos]:
        ids.insert(0, bos)
    if len(ids) <= (bos is not None):
        raise PromptError(f"The prompt {shorten(text)} has no token this model knows.", "Type something else.")
    return ids


def _ids(text: str, tokenizer: Any) -> list[int]:
    backend = _plain_backend(tokenizer)
    if backend is not None:
        return list(backend.encode(text, add_special_tokens=True).ids)
    # verbose: the length is ours to check, with a message of our own.
    return [int(i) for i in tokenizer(text, add_special_tokens=True, verbose=False)["input_ids"]]


def _plain_backend(tokenizer: Any) -> Any:
    """What a fast tokenizer would hand the text to as it is, if it does: its own call takes four times as long."""
    from transformers import PreTrainedTokenizerFast as Fast

    kind = type(tokenizer)
    if not issubclass(kind, Fast) or (kind.__call__, kind._encode_plus) != (Fast.__call__, Fast._encode_plus):
        return None
    backend = tokenizer.backend_tokenizer
    cuts_or_pads = backend.truncation is not None or backend.padding is not None
    return None if cuts_or_pads or backend.encode_special_tokens != tokenizer.split_special_tokens else backend


def encode_chat(messages: object, tokenizer: Any) -> list[int]:
    """Token ids of a conversation by the tokenizer's chat template, with the start of the assistant's turn.

    Args:
        messages: Mappings with `role` and `content`.
        tokenizer: A Hugging Face tokenizer.

    Returns:
        The ids.

    Raises:
        PromptError: Not messages.
        ModelError: No tokenizer or no template, or the template refuses them.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise ModelError("This tokenizer has no chat template.", "Pass the prompt as one text.")
    if not isinstance(messages, (list, tuple)) or not messages or not all(map(_is_message, messages)):
        raise PromptError(f"{shorten(messages)} is no conversation.", "Give [{'role': 'user', 'content': '...'}].")
    chat = [{"role": message["role"], "content": message["content"]} for message in messages]
    try:
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    except Exception as error:  # templates raise what they like
        raise ModelError(f"The chat template refuses this: {shorten(str(error))}.", "Change the roles.") from error
    return [int(i) for i in tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]]


def _is_message(message: Any) -> bool:
    return isinstance(message, Mapping) and all(isinstance(message.get(key), str) for key in ("role", "content"))


def as_batch(ids: object, vocab_size: int, context_length: int) -> Tensor:
    """Token ids as a `[batch, tokens]` tensor of integers.

    Args:
        ids: `[tokens]` or `[batch, tokens]`: sequence, array or tensor.
        vocab_size: Ids are below it.
        context_length: Greatest number of tokens.

    Returns:
        The ids, on the device they came on.

    Raises:
        PromptError: Empty, ragged, too long, or not ids of this model.
    """
    try:
        batch = ids if isinstance(ids, Tensor) else torch.as_tensor(ids)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        todo = "Pass integers, all rows equally long."
        raise PromptError(f"Cannot read {shorten(ids)} as token ids.", todo) from None
    if batch.numel() == 0:
        raise PromptError("The prompt is empty.", "Pass at least one token.")
    if batch.is_floating_point() or batch.is_complex() or batch.dtype == torch.bool or batch.dim() not in (1, 2):
        raise PromptError(
            f"Token ids of type {batch.dtype} and shape {tuple(batch.shape)} are not ids.",
            "Pass integers, [tokens] or [batch, tokens].",
        )
    batch = batch.long().reshape(-1, batch.shape[-1])
    check_length(batch.shape[1], context_length)
    low, high = (int(bound) for bound in batch.aminmax())
    if low < 0 or high >= vocab_size:
        raise PromptError(
            f"Token id {low if low < 0 else high} is outside the vocabulary of {vocab_size}.",
            "Tokenize with this model's tokenizer.",
        )
    return batch


def check_length(tokens: int, context_length: int) -> None:
    """Refuse more tokens than the model reads.

    Raises:
        PromptError: With both numbers.
    """
    if tokens > context_length:
        raise PromptError(f"{tokens} tokens; this model reads {context_length}.", "Shorten the prompt.")


def context_of(config: Any, tokenizer: Any) -> int:
    """Greatest number of tokens a model reads, from its config, else from its tokenizer."""
    for name in ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    value = getattr(tokenizer, "model_max_length", None)
    # Tokenizers without a limit say 1e30.
    return int(value) if isinstance(value, int) and 0 < value < 10**9 else 10**9


def bos_to_prepend(tokenizer: Any, needs_bos: bool) -> int | None:
    """The id to put first: when the tokenizer is set to do so, or the model cannot do without."""
    wanted = needs_bos or bool(getattr(tokenizer, "add_bos_token", False))
    return getattr(tokenizer, "bos_token_id", None) if wanted else None
