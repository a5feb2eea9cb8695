"""A small model, its tokenizer and some dictionaries as plain data, for a page that computes by itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """What `js/src/engine/read.ts` reads.

    Args:
        header: JSON: sizes, tokenizer, dictionaries, labels, the first request, and the places of the tensors.
        weights: The tensors, little-endian float16 or float32, each at a multiple of 8.
    """

    header: str
    weights: bytes
