"""`TracedModel`: a language model whose streams can be read and written."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Mapping
from functools import cached_property
from typing import Any

import torch

from saewidgets.errors import ModelError, shorten
from saewidgets.model import load, tokens
from saewidgets.model.attention import find_patterns
from saewidgets.model.check import SelfCheck, check_sums
from saewidgets.model.families import Family, find_family
from saewidgets.model.growth import Growth
from saewidgets.model.locks import lock_of
from saewidgets.model.memory import can_reuse
from saewidgets.model.plan import make_plan
from saewidgets.model.points import Names, Point, find_points
from saewidgets.model.prefix import LIMIT_BYTES, PrefixCache
from saewidgets.model.runner import Runner
from saewidgets.model.trace import Trace, Write
from saewidgets.sites import Site

_CHECK_TOKENS = 6


class TracedModel:
    """A causal language model, its tokenizer, and the places where its activations are read and written.

    Made by `TracedModel.wrap`. The module is put in evaluation mode: dropout would make two runs differ.

    Args:
        module: The Hugging Face module (or any module that maps token ids to logits).
        tokenizer: Its tokenizer, or `None` when only token ids will be given.
        family: Where its streams are.
        name: Shown to the user.
        cache_bytes: Bound on the prefix cache; 0 turns it off.

    Raises:
        ModelError: The family does not describe this module.

    Example:
        >>> import saewidgets as sw
        >>> model = sw.demo().model
        >>> model.family
        'llama'
        >>> str(model.site("blocks.1.hook_resid_post")), str(model.site("model.layers.1.mlp"))
        ('resid_post.1', 'mlp_out.1')
    """

    def __init__(
        self,
        module: torch.nn.Module,
        tokenizer: Any = None,
        *,
        family: Family,
        name: str = "",
        cache_bytes: int = LIMIT_BYTES,
    ) -> None:
        self.module = module.eval()
        self.tokenizer = tokenizer
        self.family = family.name
        self.name = name or type(module).__name__
        self.lock: threading.RLock = lock_of(module)
        self._points = find_points(family, module)
        self._patterns = find_patterns(family, module, self.n_layers)
        self._names = Names(self._points, self._patterns)
        self._family = family
        reusable = can_reuse(family, self.config)
        with self.lock:
            self._runner = Runner(
                module, self._points, self._patterns, self.config, reusable=reusable, cache_bytes=cache_bytes
            )

    @classmethod
    def wrap(
        cls,
        model: Any,
        tokenizer: Any = None,
        *,
        sites: Family | Mapping[str, str] | None = None,
        device: Any = None,
        dtype: Any = None,
        device_map: Any = None,
        remote: bool = False,
        revision: str | None = None,
    ) -> TracedModel:
        """Make a traced model of whatever a person has, and prove that its sites are where the table says.

        Args:
            model: Hub id, local folder, Hugging Face module, nnsight model, or `TracedModel`.
            tokenizer: For a module in memory; overrides the one that comes with the model.
            sites: For an architecture without a table: stream -> module path with `{layer}` and `.input` or
                `.output`, as in `{"resid_post": "blocks.{layer}.output"}`, or a `Family`.
            device: Move the model there ("cuda", "mps", "cuda:1").
            dtype: Convert the weights ("bfloat16", `torch.float16`).
            device_map: Spread a model that is being loaded over devices ("auto", or a mapping).
            remote: Run on NDIF through nnsight; `model` is then a hub id. See `saewidgets.model.remote`.
            revision: Branch, tag or commit on the hub.

        Returns:
            The traced model, self-checked.

        Raises:
            ModelError: It cannot be loaded, has no table, or fails the self-check.
        """
        if isinstance(model, TracedModel):
            if tokenizer is None and sites is None and device is None and dtype is None:
                return model
            tokenizer, sites, model = tokenizer or model.tokenizer, sites or model._family, model.module
        if remote:
            from saewidgets.model.remote import RemoteModel

            return RemoteModel.open(model, tokenizer, sites=sites, revision=revision)
        if isinstance(model, str):
            module, own = load.load(model, tokenizer, dtype=dtype, device_map=device_map, revision=revision)
            name = model
        else:
            module, own = load.unwrap(model)
            if device_map is not None:
                raise ModelError("device_map= spreads a model while it is loaded.", "Pass a hub id or a folder.")
            name = str(getattr(getattr(module, "config", None), "name_or_path", "") or type(module).__name__)
        load.move(module, device, dtype)
        traced = cls(module, own if tokenizer is None else tokenizer, family=find_family(module, sites), name=name)
        traced.self_check()
        return traced

    @property
    def prefixes(self) -> PrefixCache:
        """The prefix cache: `.nbytes`, `.limit_bytes`, `.clear()`."""
        return self._runner.prefixes

    @cached_property
    def config(self) -> Any:
        """The text part of the Hugging Face config; `None` for a module without one."""
        config: Any = getattr(self.module, "config", None)
        return config.get_text_config() if hasattr(config, "get_text_config") else config

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return 1 + max((site.layer for site in self._points if site.layer is not None), default=-1)

    @property
    def n_heads(self) -> int:
        """Number of attention heads a block; 0 where it cannot be told."""
        return int(getattr(self.config, "num_attention_heads", 0) or 0)

    @cached_property
    def d_model(self) -> int:
        """Width of the residual stream; 0 where it cannot be told."""
        return int(getattr(self.config, "hidden_size", 0) or 0)

    @cached_property
    def vocab_size(self) -> int:
        """Number of token ids the model takes."""
        size = getattr(self.config, "vocab_size", None)
        if size is None and self.tokenizer is not None:
            size = len(self.tokenizer)
        return int(size or 2**31)

    @cached_property
    def context_length(self) -> int:
        """Greatest number of tokens in a prompt."""
        return tokens.context_of(self.config, self.tokenizer)

    @property
    def device(self) -> torch.device:
        """Where token ids go and values come from; the first device of a model spread over several."""
        return next(self.module.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return next(self.module.parameters()).dtype

    @property
    def bos_id(self) -> int | None:
        """Id of the begin-of-sequence token, if the tokenizer has one."""
        return getattr(self.tokenizer, "bos_token_id", None)

    def sites(self) -> tuple[Site, ...]:
        """Every site of this model where an activation is, `[batch, tokens, d]`, in execution order."""
        return tuple(self._points)

    def patterns(self) -> tuple[Site, ...]:
        """The sites of its attention patterns, `[batch, heads, queries, keys]`; none where they cannot be reached."""
        return tuple(self._patterns)

    def site(self, name: str | Site) -> Site:
        """The site that a name means in this model.

        Args:
            name: `"resid_post.6"`, `"blocks.6.hook_resid_post"`, or a module path such as `"model.layers.6"`,
                `"model.layers.6.input"`, `"transformer.h.3.mlp"`.

        Returns:
            The site.

        Raises:
            SiteError: The name means nothing in this model; the message lists what exists.
        """
        return self._names.read(name)

    def module_at(self, name: str | Site) -> torch.nn.Module:
        """The module whose input or output a site is: the final norm for `"final"`.

        Raises:
            SiteError: The model has no such site.
        """
        found: torch.nn.Module = self.module.get_submodule(self._points[self.site(name)].path)
        return found

    def tokenize(self, text: str) -> tuple[int, ...]:
        """Token ids of a prompt, as the model was trained to see it.

        Args:
            text: The prompt. Lone surrogates become U+FFFD.

        Returns:
            The ids, with `<bos>` first where the tokenizer puts it or the model needs it.

        Raises:
            PromptError: Not a text, empty, or longer than the context.
            ModelError: The model has no tokenizer.
        """
        bos = tokens.bos_to_prepend(self.tokenizer, self._family.needs_bos)
        ids = tokens.encode(text, self.tokenizer, bos)
        tokens.check_length(len(ids), self.context_length)
        return tuple(ids)

    def read_prompt(self, prompt: object) -> tuple[int, ...]:
        """Token ids of a text, or of messages: see `tokenize` and `tokenize_chat`."""
        return self.tokenize(prompt) if isinstance(prompt, str) else self.tokenize_chat(prompt)

    def tokenize_chat(self, messages: object) -> tuple[int, ...]:
        """Token ids of a conversation, up to where the assistant begins to speak.

        Args:
            messages: `[{"role": "user", "content": "..."}, ...]`.

        Returns:
            The ids, by the tokenizer's own chat template.

        Raises:
            PromptError: Not messages, or too long.
            ModelError: The tokenizer has no template, or it refuses these messages.
        """
        ids = tokens.encode_chat(messages, self.tokenizer)
        tokens.check_length(len(ids), self.context_length)
        return tuple(ids)

    def trace(
        self,
        ids: object,
        read: Iterable[Site | str] = (),
        writes: Mapping[Site, Write] | None = None,
        *,
        logits: bool = True,
        key: Hashable | None = None,
        first_edit: int = 0,
        grad: bool = False,
        scales: bool | Mapping[str, torch.Tensor] = False,
    ) -> Trace:
        """Run the model on one prompt, or on a batch of equally long ones.

        Args:
            ids: `[tokens]` or `[batch, tokens]`.
            read: Sites whose values are wanted.
            writes: Site -> what to put there. Sites, not names.
            logits: Whether logits are wanted; without them the run stops at the last site read.
            key: Identity of `writes`. Two traces with equal keys write the same; then the later may take over from
                the earlier what both prompts begin with. `None` with writes: nothing is taken over or kept.
            first_edit: Position of the first token that `writes` may change; what comes before it may be taken over
                from a run without writes.
            grad: Keep the autograd graph: `torch.autograd.grad(f(logits), values[site])` works afterwards.
            scales: `True`: keep what the normalisations multiply by, in `Trace.scales`. Such scales: hold them, so
                that every normalisation is linear. Nothing is taken over or kept then.

        Returns:
            Values, logits and ids.

        Raises:
            PromptError: The ids are empty, too long, or not this model's.
            SiteError: A site is not in this model.
            EditError: A write returned something of the wrong shape. Whatever else a write raises comes out as it
                was raised; the model stays usable.
        """
        batch = self.check_ids(ids)
        wanted = [self.site(site) for site in read]
        changes = {self.site(site): write for site, write in (writes or {}).items()}
        plan = make_plan(self.points, wanted, changes, logits=logits, grad=grad)
        with self.lock, torch.set_grad_enabled(grad):
            return self._runner.run(plan, batch, self.device, key=key, first_edit=first_edit, grad=grad, scales=scales)

    def grow(self, cached: bool = True) -> Growth:
        """Begin a batch of texts that grows token by token, see `Growth`."""
        return Growth(self, cached)

    def check_ids(self, ids: object) -> torch.Tensor:
        """Token ids as `[batch, tokens]`.

        Raises:
            PromptError: They are empty, too long, or not this model's.
        """
        return tokens.as_batch(ids, self.vocab_size, self.context_length)

    @cached_property
    def points(self) -> dict[Site, Point]:
        """Every site and pattern with its place, in execution order."""
        return dict(sorted((self._points | self._patterns).items(), key=lambda item: item[0].order))

    def self_check(self) -> SelfCheck:
        """Prove on a few tokens that the sites are what they are called.

        Block by block, `resid_pre + attn_out = resid_mid`, `resid_mid + mlp_out = resid_post` (or all three where
        attention and MLP run side by side), and each block begins with what the last one returned.

        Returns:
            How many blocks were added up, and the largest error.

        Raises:
            ModelError: A sum does not hold: which, in which block, and by how much.
        """
        ids = torch.arange(1, 1 + _CHECK_TOKENS)[: self.context_length] % self.vocab_size
        read = [site for site in self._points if site.stream not in ("attn_z", "mlp_in", "embed", "final")]
        plan = make_plan(self._points, read, {}, logits=False, grad=False)
        with self.lock, torch.no_grad():
            trace = self._runner.run(plan, ids[None], self.device, key=None, first_edit=0, grad=False)
            self.prefixes.clear()
        return check_sums(trace.values, self.n_layers)

    def __repr__(self) -> str:
        return f"TracedModel({shorten(self.name)}, {self.family}, {self.n_layers} blocks of width {self.d_model})"
