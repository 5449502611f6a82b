"""How the pages are built; a warning is an error, see ./dev docs."""

from importlib.metadata import version as _version

project = "penstock"
author = "penstock developers"
copyright = "2026, penstock developers"
release = _version("penstock")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = "penstock"
html_static_path: list[str] = []
