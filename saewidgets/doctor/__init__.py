"""`saewidgets doctor`: the usual faults of an installation, each found by a small check that says what to do.

Nothing is changed. torch is imported in another process only, so that a damaged one is found and not met.
"""

from __future__ import annotations

from saewidgets.doctor.check import Check
from saewidgets.doctor.frontend import demo_model, front_end
from saewidgets.doctor.installed import packages
from saewidgets.doctor.jupyter import extensions, find_lab, kernels
from saewidgets.doctor.machine import cache, torch_and_gpu
from saewidgets.doctor.websocket import named, running, websockets

__all__ = ["Check", "examine"]


def examine(url: str | None = None) -> list[Check]:
    """Look at everything.

    Args:
        url: The address of a Jupyter server as the browser shows it, to try its websocket; those that run on this
            machine by default.

    Returns:
        The checks, in the order in which things depend on each other.
    """
    lab = find_lab()
    servers = running(lab) if url is None else [named(url)]
    return [
        *packages(),
        front_end(),
        demo_model(),
        *torch_and_gpu(),
        *kernels(lab),
        *extensions(lab),
        *websockets(servers),
        cache(),
    ]
