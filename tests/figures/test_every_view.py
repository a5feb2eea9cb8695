"""What no view may lack: its numbers as a table, and words for those who do not see it, in every file that shows it."""

import xml.etree.ElementTree as ET
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from saewidgets.export.caption import caption
from saewidgets.export.report import report
from saewidgets.figures import views
from saewidgets.payloads.codec import kind_of
from tests.circuit_factory import make_circuit
from tests.payload_factory import make_payload
from tests.view_factory import (
    make_compare,
    make_contrast,
    make_dashboard,
    make_explorer,
    make_frontier,
    make_patch_map,
    make_report,
    make_steering,
    make_table,
    make_training,
)

MADE = [
    make_payload(), make_training(), make_frontier(), make_report(), make_dashboard(), make_table(), make_circuit(),
    make_steering(), make_patch_map(), make_contrast(), make_compare(), make_explorer(),
]  # fmt: skip
PAYLOADS = {kind_of(payload): payload for payload in MADE}


def test_no_view_is_left_out() -> None:
    assert set(PAYLOADS) == set(views._VIEWS), "a new view needs a payload here"


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_numbers_leave_as_a_table(payload: Any) -> None:
    frame = views.view_of(payload).to_frame(payload)
    assert len(frame) and len(frame.columns) > 1
    assert len(frame.to_csv().splitlines()) > len(frame), "it can be written"


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_words_stand_in_every_file(payload: Any) -> None:
    view = views.view_of(payload)
    words = view.alt_text(payload)
    assert len(words) > 40 and words in caption(payload)
    title = ET.fromstring(view.figures.to_svg(payload)).find(".//{*}title")
    assert title is not None and words in (title.text or "")
    info = PdfReader(BytesIO(view.figures.to_pdf(payload))).metadata
    assert info is not None and str(info["/Title"]).startswith(words[:80])
    page = ET.fromstring(
        f"<p>{report([payload]).partition('<figure')[2].partition('>')[0].join(['<figure', '/>'])}</p>"
    )
    assert page[0].attrib["aria-label"] == words
