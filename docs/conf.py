"""Sphinx configuration: `python -m sphinx -W docs docs/_build` builds the site without a network."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

import generate

import medad

project = "medad"
author = "The medad authors"
project_copyright = author
release = version = medad.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"medad {version}"
html_show_copyright = False

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    "exclude-members": "model_config",
    "ignore-module-all": True,  # a name is documented where it is defined, not where it is offered again
}
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
# Types of other packages have no page here, so a name that is not found is no error; a broken page link is.
nitpicky = False


def setup(app: Sphinx) -> None:
    """Write the pages that are made from the code before Sphinx looks for pages."""
    app.connect("config-inited", lambda *_: generate.write_all(Path(__file__).parent / "generated"))
