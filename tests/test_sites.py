"""Module paths as config files of dictionaries hold them, against the table the models are read by."""

import pytest

from saewidgets.errors import SiteError
from saewidgets.model.families import FAMILIES
from saewidgets.sites import Site

# Names of models, for families in which a path means something else.
MODELS = {"gemma2": "google/gemma-2-2b", "gemma3_text": "gemma-3-1b-it", "gemma3": "gemma-v3-270m-pt"}


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_place_of_every_family_is_read_as_its_stream(kind: str) -> None:
    places = FAMILIES[kind].places
    read = {stream: Site.of_module(place.format(layer=3), MODELS.get(kind, kind)) for stream, place in places.items()}
    assert read == {stream: Site(stream, 3 if "{layer}" in place else None) for stream, place in places.items()}


@pytest.mark.parametrize(
    ("path", "site"),
    [("layers.5", "resid_post.5"), ("layers.5.mlp", "mlp_out.5"), ("embed_tokens", "embed"), ("model.norm", "final"),
     ("model.language_model.layers.17.output", "resid_post.17"), ("gpt_neox.layers.2.attention", "attn_out.2")],
)  # fmt: skip
def test_a_bare_path_means_its_output(path: str, site: str) -> None:
    assert str(Site.of_module(path)) == site


@pytest.mark.parametrize(
    ("path", "model"),
    [("model.layers.5.mlp.output", "gemma-2-2b"), ("model.layers.5.self_attn", "google/gemma-3-4b-pt"),
     ("layers.5.mlp.gate", ""),
     ("layers", ""), ("", ""), ("model.layers.x.output", ""), ("model.layers.5.norm", ""),
     ("layers.99999", ""), ("../layers.5", "")],
)  # fmt: skip
def test_what_is_no_site_is_refused(path: str, model: str) -> None:
    with pytest.raises(SiteError):
        Site.of_module(path, model)
