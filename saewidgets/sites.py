"""Names of places in a model: `Site` ("resid_post.6") and `FeatureId` ("resid_post.6/1234")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from saewidgets.errors import FeatureError, SiteError, shorten

# Streams in the order in which a forward pass computes them within one block.
BLOCK_STREAMS = ("resid_pre", "attn_pattern", "attn_z", "attn_out", "resid_mid", "mlp_in", "mlp_out", "resid_post")
MODEL_STREAMS = ("embed", "final")
STREAMS = ("embed", *BLOCK_STREAMS, "final")

_SITE = re.compile(r"([a-z_]+)(?:\.(\d{1,4}))?")
_KEY = re.compile(r"[a-z_]+(?:\.\d{1,4})?(?:@[A-Za-z0-9_-]{1,40})?")
# TransformerLens 2 calls the input of the norm before the MLP `hook_mlp_in`, TransformerLens 3 the norm's output; the
# name is left out rather than guessed.
_HOOKS = {
    "hook_resid_pre": "resid_pre",
    "hook_resid_mid": "resid_mid",
    "hook_resid_post": "resid_post",
    "hook_attn_out": "attn_out",
    "mlp.hook_in": "mlp_in",
    "hook_mlp_out": "mlp_out",
    "ln2.hook_normalized": "mlp_in",
    "attn.hook_pattern": "attn_pattern",
    "attn.hook_z": "attn_z",
}
# Hugging Face module paths: within a block, and outside.
_BLOCK = re.compile(r"(?:[a-z_]+\.){0,3}(?:layers|h)\.(\d{1,4})((?:\.[a-z0-9_]+){0,4})")
_MODULES = {
    "input": "resid_pre",
    "output": "resid_post",
    "self_attn.o_proj.input": "attn_z",
    "attn.c_proj.input": "attn_z",
    "attention.dense.input": "attn_z",
    "self_attn.output": "attn_out",
    "attn.output": "attn_out",
    "attention.output": "attn_out",
    "ln_2.input": "resid_mid",
    "ln_2.output": "mlp_in",
    "post_attention_layernorm.input": "resid_mid",
    "post_attention_layernorm.output": "mlp_in",
    "mlp.input": "mlp_in",
    "mlp.output": "mlp_out",
}
# Gemma 2 and 3 normalise what attention and MLP return before it is added: what is added is the norm's output.
_GEMMA_MODULES = {
    "post_attention_layernorm.input": None,
    "post_attention_layernorm.output": "attn_out",
    "pre_feedforward_layernorm.input": "resid_mid",
    "pre_feedforward_layernorm.output": "mlp_in",
    "post_feedforward_layernorm.output": "mlp_out",
    "self_attn.output": None,
    "mlp.output": None,
}
_OUTSIDE = re.compile(r"(?:[a-z_]+\.){0,3}(?:(embed_tokens|wte|embed_in)|norm|ln_f|final_layer_norm)\.output")


@dataclass(frozen=True, slots=True)
class Site:
    """A place where activations are read or written: a stream and, inside a block, its layer.

    Args:
        stream: One of `STREAMS`.
        layer: Block index from 0; `None` for `embed` and `final`.

    Example:
        >>> Site.parse("blocks.6.hook_resid_post")
        Site(stream='resid_post', layer=6)
        >>> str(Site("resid_post", 6))
        'resid_post.6'
    """

    stream: str
    layer: int | None = None

    def __post_init__(self) -> None:
        if self.stream not in STREAMS:
            raise SiteError(f"Unknown stream {shorten(self.stream)}.", f"Use one of {', '.join(STREAMS)}.")
        if (self.layer is None) != (self.stream in MODEL_STREAMS):
            raise SiteError(
                f"Stream {self.stream!r} with layer {self.layer!r} names no place.",
                "Write 'resid_post.6' inside a block, 'embed' or 'final' outside.",
            )

    def __str__(self) -> str:
        return self.stream if self.layer is None else f"{self.stream}.{self.layer}"

    @property
    def order(self) -> tuple[int, int]:
        """Sort key: the order in which a forward pass reaches sites."""
        if self.layer is None:
            return (-1, 0) if self.stream == "embed" else (1 << 20, 0)
        return (self.layer, BLOCK_STREAMS.index(self.stream))

    @property
    def hook(self) -> str:
        """Its TransformerLens name.

        Example:
            >>> Site("attn_z", 3).hook
            'blocks.3.attn.hook_z'
        """
        if self.layer is None:
            return "hook_embed" if self.stream == "embed" else "ln_final.hook_normalized"
        return f"blocks.{self.layer}.{next(hook for hook, stream in _HOOKS.items() if stream == self.stream)}"

    @classmethod
    def parse(cls, name: str | Site) -> Site:
        """Read our own form or a TransformerLens hook name.

        Args:
            name: `"resid_post.6"`, `"blocks.6.hook_resid_post"`, `"hook_embed"`, or a `Site`.

        Returns:
            The site.

        Raises:
            SiteError: The name is neither; Hugging Face module paths are read by `TracedModel.site`,
                which knows the model's family.
        """
        if isinstance(name, Site):
            return name
        if not isinstance(name, str):
            raise SiteError(f"A site is a string, not {shorten(name)}.", "Write for example 'resid_post.6'.")
        if name in ("hook_embed", "embed"):
            return cls("embed")
        if name in ("ln_final.hook_normalized", "final"):
            return cls("final")
        hook = re.fullmatch(r"blocks\.(\d{1,4})\.([a-z0-9_.]+)", name)
        if hook and hook[2] in _HOOKS:
            return cls(_HOOKS[hook[2]], int(hook[1]))
        own = _SITE.fullmatch(name)
        if own is None:
            raise SiteError(f"Cannot read the site {shorten(name)}.", "Write stream and layer, as in 'resid_post.6'.")
        return cls(own[1], None if own[2] is None else int(own[2]))

    @classmethod
    def of_module(cls, path: str, model: str = "") -> Site:
        """Read a Hugging Face module path, as config files of dictionaries hold them.

        The same path may name another place in another family; `TracedModel.site` reads it by the model at hand.

        Args:
            path: `"model.layers.5.output"`, `"layers.5.mlp"`; without `.input` or `.output` the output is meant.
            model: Name of the model, for families in which a path means something else.

        Returns:
            The site.

        Raises:
            SiteError: The path names no site.

        Example:
            >>> str(Site.of_module("model.layers.5.output")), str(Site.of_module("transformer.h.2.attn.c_proj.input"))
            ('resid_post.5', 'attn_z.2')
        """
        side = "" if path.endswith((".input", ".output")) else ".output"
        gemma = re.search(r"gemma-?v?[23]", model.lower()) is not None or "feedforward_layernorm" in path
        block = _BLOCK.fullmatch(path + side)
        modules = _MODULES | _GEMMA_MODULES if gemma else _MODULES
        stream = modules.get(block[2][1:]) if block else None
        if block and stream:
            return cls(stream, int(block[1]))
        outside = _OUTSIDE.fullmatch(path + side)
        if outside:
            return cls("embed" if outside[1] else "final")
        raise SiteError(f"The module {shorten(path)} is no site.", "Write stream and layer, as in 'resid_post.6'.")


@dataclass(frozen=True, slots=True)
class FeatureId:
    """One latent of one dictionary, written `"resid_post.6/1234"`.

    Args:
        dictionary: Key of the dictionary in the scope: its site, with `@name` for a second one there.
        index: Row of the decoder, from 0.

    Example:
        >>> FeatureId.parse("resid_post.2@small/17")
        FeatureId(dictionary='resid_post.2@small', index=17)
    """

    dictionary: str
    index: int

    def __str__(self) -> str:
        return f"{self.dictionary}/{self.index}"

    @classmethod
    def parse(cls, name: str | FeatureId) -> FeatureId:
        """Read `"site/index"`.

        Raises:
            FeatureError: The text is not of that form.
        """
        if isinstance(name, FeatureId):
            return name
        found = _feature(name) if isinstance(name, str) else None
        if found is None:
            todo = "Write dictionary and index, as in 'resid_post.2/17'."
            raise FeatureError(f"Cannot read the feature {shorten(name)}.", todo)
        return found


@lru_cache(maxsize=4096)
def _feature(name: str) -> FeatureId | None:
    """A name read once: a view asks for the same few at every key press."""
    key, slash, index = name.rpartition("/")
    if not slash or not re.fullmatch(r"[0-9]{1,9}", index):
        return None
    return FeatureId(key if _KEY.fullmatch(key) else str(Site.parse(key)), int(index))
