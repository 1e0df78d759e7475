"""The documentation site, one build for each language: see `make docs`.

The sources are the files of the repository itself, so links in them work here and there alike.
`sphinx-build -t vi` makes the Vietnamese site: its pages and lessons.
"""

import inspect
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tfcvae._version import __version__  # noqa: E402

IS_VIETNAMESE = tags.has("vi")  # noqa: F821

project = "tfcvae"
copyright = "the tfcvae authors"
version = release = __version__
language = "vi" if IS_VIETNAMESE else "en"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
if IS_VIETNAMESE:
    root_doc = "docs/index.vi"
    include_patterns = [
        "README.vi.md",
        "docs/*.vi.md",
        "tutorials/README.vi.md",
        "tutorials/vi/*.ipynb",
    ]
else:
    root_doc = "docs/index"
    include_patterns = [
        *("README.md", "CONTRIBUTING.md", "CHANGELOG.md"),
        *("docs/*.md", "docs/api/*.md", "benchmarks/README.md", "saved_models/README.md"),
        *("tutorials/README.md", "tutorials/en/*.ipynb"),
    ]
    exclude_patterns = ["docs/*.vi.md"]

html_theme = "furo"
html_title = "tfcvae"
templates_path = ["_templates"]
html_sidebars = {
    "**": [
        *("sidebar/brand.html", "sidebar/language.html", "sidebar/search.html"),
        *("sidebar/scroll-start.html", "sidebar/navigation.html", "sidebar/scroll-end.html"),
    ]
}
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0072b2", "color-brand-content": "#0072b2"},
}

myst_enable_extensions = ["dollarmath", "amsmath", "attrs_block"]
myst_heading_anchors = 3
nb_execution_mode = "off"
nb_merge_streams = True
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type"]

autodoc_default_options = {"members": True, "imported-members": True, "show-inheritance": True}
autodoc_member_order = "alphabetical"
autodoc_inherit_docstrings = False
napoleon_custom_sections = ["Input shape", "Output shape", "Reference"]
napoleon_use_ivar = True
napoleon_use_rtype = False


def twin(page):
    """The address of a page in the site of the other language, from the folder of both sites."""
    if page.startswith("tutorials/"):
        here, there = ("/vi/", "/en/") if IS_VIETNAMESE else ("/en/", "/vi/")
        return page.replace(here, there)
    other = page.removesuffix(".vi") if IS_VIETNAMESE else f"{page}.vi"
    if (ROOT / f"{other}.md").exists():
        return other
    return "docs/index" if IS_VIETNAMESE else "docs/index.vi"


def add_twin(app, page, template, context, doctree):
    """Gives every page the address and the name of its twin."""
    up = "../" * (page.count("/") + 1)
    folder, name = ("en", "English") if IS_VIETNAMESE else ("vi", "Tiếng Việt")
    context["twin"] = {"language": folder, "name": name, "url": f"{up}{folder}/{twin(page)}.html"}


def link_editions(app, page, source):
    """Links a page that only the site of the other language has."""
    folder = "../" * (page.count("/") + 1) + ("en" if IS_VIETNAMESE else "vi")
    here = ROOT / Path(page).parent

    def linked(match):
        path = (here / match[2]).resolve()
        is_vietnamese = path.name.endswith(".vi.md") or path.parent.name == "vi"
        if is_vietnamese == IS_VIETNAMESE or not path.is_relative_to(ROOT) or not path.exists():
            return match[0]
        address = path.relative_to(ROOT).with_suffix(".html").as_posix()
        return f'<a href="{folder}/{address}{match[3] or ""}">{match[1]}</a>'

    source[0] = re.sub(r"(?<!!)\[([^\]]+)\]\(([^)#:]+\.(?:md|ipynb))(#[^)]*)?\)", linked, source[0])


def from_markdown(app, what, name, obj, options, lines):
    """Turns the Markdown of a docstring, its code and its links, into reStructuredText."""
    text = re.sub(
        r"^( *)```(\w*)\n(.*?)^ *```$",
        lambda m: f"{m[1]}.. code-block:: {m[2] or 'text'}\n\n" + re.sub("(?m)^", "    ", m[3]),
        "\n".join(lines),
        flags=re.MULTILINE | re.DOTALL,
    )
    text = re.sub(r"\[([^\]]+)\]\((http[^)]+)\)", r"`\1 <\2>`__", text)
    text = re.sub(r"(?<![`:\w])`([^`<]+)`(?![`_\w])", r"``\1``", text)
    lines[:] = text.split("\n")


def own_signature(app, what, name, obj, options, signature, annotation):
    """The arguments of a class are those of its `__init__`; Keras hides them behind `__new__`."""
    if what == "class" and inspect.isfunction(obj.__init__):
        first, *others = inspect.signature(obj.__init__).parameters.values()
        return str(inspect.Signature(others)), None


def setup(app):
    app.connect("source-read", link_editions)
    app.connect("html-page-context", add_twin)
    app.connect("autodoc-process-signature", own_signature)
    app.connect("autodoc-process-docstring", from_markdown, priority=100)
