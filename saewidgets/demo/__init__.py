"""The embedded model: its grammar, the recipe that trained it, and its files in `assets/`.

The module is also the public function: `saewidgets.demo()` gives the scope over the embedded model. A package and a
function cannot share one name, because importing any `saewidgets.demo.grammar` puts the package there again; so the
package itself can be called. Nothing here imports torch before that.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saewidgets.scope import Scope


class _CallableModule(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> "Scope":
        """Open the embedded model with its dictionaries: `saewidgets.scope.demo`.

        Args:
            *args: As `saewidgets.scope.demo` takes them.
            **kwargs: As `saewidgets.scope.demo` takes them.

        Returns:
            The scope.
        """
        from saewidgets.scope import demo  # late: it brings torch

        return demo(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
