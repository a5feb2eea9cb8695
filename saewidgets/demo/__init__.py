"""The embedded model: its grammar, the recipe that trained it, and its files in `assets/`.

The module is also the public function: `saewidgets.demo()` gives the scope over the embedded model. A package and a
function cannot share one name, because importing any `saewidgets.demo.grammar` puts the package there again; so the
package itself can be called. Nothing here imports torch before that.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from saewidgets.scope import Scope


def demo(checkpoint: Literal["final", "early"] = "final") -> "Scope":
    """The embedded model with its dictionaries and labels: no network, a few seconds.

    Args:
        checkpoint: `"final"`, or `"early"` for the model before induction formed (without dictionaries of its own:
            those of the final model are attached, and fit it badly).

    Returns:
        A scope.

    Example:
        >>> import saewidgets as sw
        >>> sw.demo().model.n_layers
        4
    """
    from saewidgets.demo.load import load_demo
    from saewidgets.scope import Scope

    module, tokenizer, dictionaries, labels = load_demo(checkpoint)
    return Scope(module, dictionaries, tokenizer=tokenizer, labels=labels, name="saewidgets-demo")


class _CallableModule(ModuleType):
    def __call__(self, checkpoint: Literal["final", "early"] = "final") -> "Scope":
        return demo(checkpoint)

    __call__.__doc__ = demo.__doc__


sys.modules[__name__].__class__ = _CallableModule
