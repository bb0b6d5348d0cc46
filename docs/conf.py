"""Configuration of Sphinx.  The build needs no network, and pages load nothing from elsewhere."""

import re

from docutils import nodes
from docutils.utils.math import latex2mathml

import randla

project = "randla"
author = "The randla developers"
copyright = "The randla developers"
release = version = randla.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples/*.rst"]
default_role = "py:obj"
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # the docstrings say them better
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"^_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": False,
    "only_warn_on_example_error": False,
    "download_all_examples": False,
    "write_computation_times": False,
    "show_signature": False,
    "backreferences_dir": None,
    "reference_url": {"randla": None},
}

html_theme = "pydata_sphinx_theme"
html_title = "randla"
html_static_path = ["_static"]
html_css_files = ["randla.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "navigation_with_keys": False,
}
html_sidebars = {"changelog": [], "capabilities": []}


# ---- formulas as MathML, which browsers show by themselves: MathJax would be fetched -------------


def _mathml(latex: str, block: bool) -> str:
    return str(latex2mathml.tex2mathml(latex.strip(), as_block=block))


def _inline_math(translator, node):
    translator.body.append(_mathml(node.astext(), block=False))
    raise nodes.SkipNode


def _display_math(translator, node):
    translator.body.append(f'<div class="formula">{_mathml(node.astext(), block=True)}</div>')
    raise nodes.SkipNode


def _short_labels(app, document):
    """Numpydoc makes labels of references unique and shortens them again, but not in Markdown."""
    for text in list(document.findall(nodes.Text)):
        short = re.sub(r"\bR[0-9a-f]{12}-(\d+)", r"\1", text)
        if short != text:
            text.parent.replace(text, nodes.Text(short))


def setup(app):
    """Register the renderer of formulas and the labels of references."""
    app.connect("doctree-read", _short_labels, priority=900)
    app.add_html_math_renderer("native", (_inline_math, None), (_display_math, None))


html_math_renderer = "native"
