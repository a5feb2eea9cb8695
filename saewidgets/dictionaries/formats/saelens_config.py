"""`cfg.json` of SAELens: names of all versions, what is missing by default, and what it says of sites and bias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saewidgets.dictionaries.formats import values
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.errors import DictionaryError, SiteError, shorten
from saewidgets.sites import Site

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
# Names that version 6 gave to old fields.
_RENAMED = {
    "hook_point": "hook_name",
    "hook_point_head_index": "hook_head_index",
    "activation_fn_str": "activation_fn",
}


@dataclass(frozen=True)
class Config:
    """A config under the names of version 6.

    Args:
        fields: What describes the dictionary.
        metadata: What describes model and data; before version 6 it stood among the fields, and is looked for there.
        legacy: Whether it is of a version before 6.
    """

    fields: Mapping[str, Any]
    metadata: Mapping[str, Any]
    legacy: bool

    def architecture(self, questions: Questions) -> Any:
        """The architecture, which an old TopK says only by its activation function.

        Raises:
            DictionaryError: An activation function that is not read.
        """
        found, where = self.fields.get("architecture"), f"{CONFIG}: architecture"
        function = self.fields.get("activation_fn")
        if found is None:
            found, where = "standard", "default of SAELens"
        if function == "topk" and found == "standard":
            found, where = "topk", f"{CONFIG}: activation_fn_str = 'topk' overrides the architecture"
        elif function not in (None, "relu", found):
            raise DictionaryError(f"Activation function {shorten(function)} is not read.", "Known: relu, topk.")
        return questions.settle("architecture", "architecture", found, where)

    def k(self, questions: Questions) -> int:
        """Features a token.

        Raises:
            DictionaryError: Nobody says, or it is no whole number.
        """
        found = self.fields.get("k", (self.fields.get("activation_fn_kwargs") or {}).get("k"))
        return values.count(questions.settle("k", "k", found, f"{CONFIG}: k"), "k")

    def subtracts(self, questions: Questions, transcoder: bool) -> bool:
        """Whether `b_dec` is subtracted from the input.

        Raises:
            DictionaryError: A transcoder that says so, which SAELens refuses.
        """
        found, where = self.fields.get("apply_b_dec_to_input"), f"{CONFIG}: apply_b_dec_to_input"
        if transcoder:
            found, where = (None if found else False), "by format: never of a transcoder"
        elif found is None:
            found, where = True, "default of SAELens"
        why = "SAELens never subtracts it from what a transcoder reads"
        return bool(questions.settle("bias", "subtract_b_dec", found, where, False, why))

    def sites(self, questions: Questions, transcoder: bool = False) -> tuple[Site, Site]:
        """Where it reads and writes, with what is odd about it on the card.

        Raises:
            DictionaryError: Nobody says, or the name is none of a site.
        """
        model = str(self.metadata.get("model_name", ""))
        name, key = self._hook("")
        site = questions.site("site", name, f"{CONFIG}: {key}", model=model)
        self._reshaped(questions)
        head = self.metadata.get("hook_head_index")
        if head is not None:
            questions.warn(f"It reads head {shorten(head)} alone of {shorten(name)}: give it that part of {site}.")
        kwargs = self.metadata.get("model_from_pretrained_kwargs")
        if isinstance(kwargs, dict) and kwargs.get("center_writing_weights"):
            questions.warn(
                "It was trained on a residual stream that TransformerLens had centred. On the stream of the Hugging "
                "Face model use dictionary.centered()."
            )
        if not transcoder:
            return site, site
        name, key = self._hook("_out")
        assume, why = f"mlp_out.{site.layer or 0}", "most transcoders write what the MLP writes"
        return site, questions.site("site_out", name, f"{CONFIG}: {key}", assume, why, model)

    def note(self, questions: Questions) -> None:
        """Put on the card what is no convention but good to know."""
        details = self.metadata.get("training_architecture_details")
        details = details if isinstance(details, dict) else {}
        widths = self.fields.get("matryoshka_widths", details.get("matryoshka_widths"))
        for question, key, answer in (
            ("model", "model_name", self.metadata.get("model_name")),
            ("trained as", "training_architecture", self.metadata.get("training_architecture")),
            ("prefixes", "matryoshka_widths", widths),
        ):
            if answer is not None:
                text = answer if isinstance(answer, str) and len(answer) < 80 else shorten(answer)
                questions.note(question, text, f"{CONFIG}: {key}")

    def _hook(self, side: str) -> tuple[Any, str]:
        """The TransformerLens name if it is one of a site, else the Hugging Face path; and its key."""
        names = [(self.metadata.get(key), key) for key in (f"hook_name{side}", f"hf_hook_name{side}")]
        return next((pair for pair in names if _is_site(pair[0])), names[0 if names[1][0] is None else 1])

    def _reshaped(self, questions: Questions) -> None:
        inferred = "hook_z" if "hook_z" in str(self.metadata.get("hook_name")) else "none"
        reshape = self.fields.get("reshape_activations", inferred)
        if reshape not in ("none", "hook_z"):
            raise DictionaryError(f"reshape_activations = {shorten(reshape)} is not read.", "Known: none, hook_z.")
        if reshape == "hook_z":
            questions.note("heads", "side by side: [..., n_heads * d_head]", f"{CONFIG}: reshape_activations")


def read(files: Files) -> Config:
    """Read the config; null counts as not said.

    Raises:
        DictionaryError: Missing, too large, or none of SAELens.
    """
    config = files.json(CONFIG)
    metadata = config.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise DictionaryError(f"{CONFIG} is no SAELens config.", "Name the format if it is another one.")
    fields = {_RENAMED.get(key, key): value for key, value in config.items() if value is not None}
    metadata = {**fields, **{key: value for key, value in metadata.items() if value is not None}}
    major = str(metadata.get("sae_lens_version", "0")).partition(".")[0]
    return Config(fields, metadata, legacy=not (major.isdecimal() and int(major[:9]) >= 6))


def _is_site(name: Any) -> bool:
    try:
        Site.parse(name)
    except SiteError:
        return False
    return True
