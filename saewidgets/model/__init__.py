"""Model access: reading and writing the streams of a language model. The only importer of nnsight."""

from saewidgets.model.check import SelfCheck
from saewidgets.model.families import FAMILIES, Family
from saewidgets.model.trace import Trace, Write
from saewidgets.model.traced import TracedModel

__all__ = ["TracedModel", "Trace", "Write", "Family", "FAMILIES", "SelfCheck"]
