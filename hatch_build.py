"""Build hook: refuse to make a wheel or an sdist without the front-end bundle or the embedded model."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# What a user cannot do without, and the command that makes it.
NEEDED = {
    "saewidgets/static/widget.js": "make js",
    **{
        f"saewidgets/static/page-{view}.js": "make js"
        for view in (
            "heatmap",
            "training",
            "frontier",
            "dictionary_report",
            "feature_dashboard",
            "feature_table",
            "circuit",
            "patch_map",
            "steering",
            "report",
        )
    },
    **{f"saewidgets/static/{name}.js": "make js" for name in ("shim", "live", "live-heatmap", "live-views")},
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
        for name, command in NEEDED.items():
            path = Path(self.root, name)
            if not path.is_file() or path.stat().st_size == 0:
                raise FileNotFoundError(f"{name} is absent or empty: run `{command}` before building the package.")
