"""Sphinx configuration of the manual."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

project = "pomerium_tw"
copyright = "2026, the pomerium_tw authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "keytable", "criteriatable"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "pomerium_tw"
html_logo = "../pomerium_tw/pages/assets/logo.svg"
autodoc_typehints = "description"
