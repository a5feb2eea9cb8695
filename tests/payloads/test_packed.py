"""The packed payload of a widget's state: the same bytes again, smaller, and nothing else is taken for one."""

import zlib
from collections.abc import Callable

import pytest

from saewidgets.errors import PayloadError
from saewidgets.payloads import encode
from saewidgets.payloads.packed import pack, unpack
from tests.payload_factory import make_payload
from tests.view_factory import make_dashboard, make_explorer, make_patch_map, make_steering, make_table

LIMIT = 1_000_000
MAKERS = (make_payload, make_dashboard, make_explorer, make_patch_map, make_steering, make_table)


@pytest.mark.parametrize("make", MAKERS)
def test_what_is_packed_comes_out(make: Callable[[], object]) -> None:
    raw = encode(make())
    assert unpack(pack(raw), LIMIT) == raw


def test_numbers_weigh_less_in_planes() -> None:
    raw = encode(make_payload(200, 4, True))
    assert len(pack(raw)) < 0.9 * len(zlib.compress(raw)) < 0.9 * len(raw)


@pytest.mark.parametrize("damage", [lambda p: p[:-1], lambda p: p[:9], lambda p: b"", lambda p: b"SAEW" + p])
def test_damaged_is_refused(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(PayloadError, match="damaged or too large"):
        unpack(damage(pack(encode(make_payload()))), LIMIT)


def test_what_swells_is_refused() -> None:
    bomb = zlib.compress(bytes(50_000_000))
    assert len(bomb) < 60_000
    with pytest.raises(PayloadError, match="damaged or too large"):
        unpack(bomb, LIMIT)
