"""Build hook: refuse to make a wheel or an sdist without the front-end bundle or the embedded model."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# What a user cannot do without, and the command that makes it.
NEEDED = {
    "saewidgets/static/widget.js": "make js",
    "saewidgets/demo/assets/model/model.safetensors": "make demo-model",
}


class AssetsHook(BuildHookInterface):  # type: ignore[misc]
    """Raises where other packages have shipped a wheel without its JavaScript."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Look for the assets before anything is packed.

        Args:
            version: `"standard"`, or `"editable"` for `pip install -e`, which runs before the bundle is built.
            build_data: Unused.
        """
        if version == "editable":
            return
        for pattern, command in NEEDED.items():
            found = [path for path in Path(self.root).glob(pattern) if path.stat().st_size]
            if not found:
                raise FileNotFoundError(f"{pattern} is absent or empty: run `{command}` before building the package.")
