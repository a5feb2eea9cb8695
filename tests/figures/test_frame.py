"""The table: one row a token, the payload's numbers, cells left as they are."""

import numpy as np

from saewidgets.figures.frame import to_frame
from tests.payload_factory import make_payload


def test_columns_and_numbers() -> None:
    payload = make_payload()
    frame = to_frame(payload)
    ids = [feature.id for feature in payload.features]
    pairs = ["surprise", "error", *ids]
    assert list(frame.columns) == ["position", "token", "id", *(c for p in pairs for c in (p, f"{p} after"))]
    assert frame.position.tolist() == list(range(17))
    assert tuple(frame.token) == payload.tokens.text
    np.testing.assert_array_equal(frame[ids[3]], payload.features[3].values)
    np.testing.assert_array_equal(frame[f"{ids[3]} after"], payload.features[3].after)
    np.testing.assert_array_equal(frame["error after"], payload.sites[0].error_after)


def test_without_edits_and_features() -> None:
    frame = to_frame(make_payload(5, n_features=0, edits=False))
    assert list(frame.columns) == ["position", "token", "id", "surprise", "error"]
    assert len(frame) == 5


def test_cells_are_data() -> None:
    texts = ["=1+1", "+x", "-y", "@z", "<b>"]
    assert to_frame(make_payload(texts=texts)).token.tolist() == texts


def test_the_table_is_the_users_own() -> None:
    payload = make_payload()
    frame = to_frame(payload)
    frame.loc[0, "surprise"] = 99.0
    assert payload.surprise[0] != 99.0
