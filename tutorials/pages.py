"""Renews the index of the lessons in both languages, with a thumbnail of each.

    python tutorials/pages.py

Titles, times and thumbnails come from the executed notebooks: the thumbnail is the figure of the
cell that is tagged `thumbnail`, or the last one. Once `[project.urls]` in pyproject.toml has a
`Repository` on GitHub, every lesson gets a badge that opens it in Colab.
"""

import io
import tomllib

import notebooks
from PIL import Image

THUMBNAILS = notebooks.FOLDER / "images"
SIZE = (240, 180)
BEGIN, END = "<!-- lessons:begin -->", "<!-- lessons:end -->"
PROJECT = notebooks.FOLDER.parent / "pyproject.toml"
COLAB = "https://colab.research.google.com"
PAGES = {"en": "README.md", "vi": "README.vi.md"}
HEADERS = {
    "en": "| | lesson | minutes | needs |\n|---|---|---|---|",
    "vi": "| | bài | phút | cần |\n|---|---|---|---|",
}
NEEDS = {
    "en": {True: "tfcvae and [saved models](../saved_models/README.md)", False: "tfcvae"},
    "vi": {True: "tfcvae và [mô hình đã lưu](../saved_models/README.md)", False: "tfcvae"},
}


def thumbnail(notebook):
    """The picture of a lesson, `bytes` of a PNG file."""
    tagged = [c for c in notebook.cells if "thumbnail" in c.metadata.get("tags", ())]
    part = notebook if not tagged else type(notebook)(cells=tagged)
    *_, picture = notebooks.figures(part)
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.thumbnail(SIZE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def badge(language, name):
    """A badge that opens a lesson in Colab, empty as long as the repository has no address."""
    address = tomllib.loads(PROJECT.read_text())["project"].get("urls", {}).get("Repository", "")
    repository = address.partition("https://github.com/")[2].rstrip("/")
    if not repository:
        return ""
    lesson = f"{COLAB}/github/{repository}/blob/main/tutorials/{language}/{name}.ipynb"
    return f"<br>[![Colab]({COLAB}/assets/colab-badge.svg)]({lesson})"


def row(language, name):
    """The line of one lesson in the index."""
    notebook = notebooks.read(language, name)
    title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
    code = "".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    minutes = max(1, round(notebook.metadata[notebooks.NOTE]["seconds"] / 60))
    picture = f"![](images/{name}.png)"
    needs = NEEDS[language]["saved_models" in code]
    link = f"[{title}]({language}/{name}.ipynb){badge(language, name)}"
    return f"| {picture} | {link} | {minutes} | {needs} |"


def main():
    THUMBNAILS.mkdir(exist_ok=True)
    for name in notebooks.names():
        picture = thumbnail(notebooks.read("en", name))
        (THUMBNAILS / f"{name}.png").write_bytes(picture)
    for language, page in PAGES.items():
        path = notebooks.FOLDER / page
        before, rest = path.read_text().split(BEGIN)
        _, after = rest.split(END)
        rows = [row(language, name) for name in notebooks.names()]
        table = "\n".join([BEGIN, HEADERS[language], *rows, END])
        path.write_text(before + table + after)


if __name__ == "__main__":
    main()
