"""The lessons: both editions agree, and the checks find what is wrong."""

import copy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "tutorials"
sys.path.insert(0, str(FOLDER))
notebooks = pytest.importorskip("notebooks")
pages = pytest.importorskip("pages")


@pytest.mark.parametrize("name", notebooks.names())
def test_nothing_is_wrong_with_a_lesson(name):
    assert not list(notebooks.problems(name))


@pytest.mark.parametrize("name", notebooks.names())
def test_an_index_shows_every_lesson(name):
    for language, page in (("en", "README.md"), ("vi", "README.vi.md")):
        assert f"({language}/{name}.ipynb)" in (FOLDER / page).read_text(encoding="utf-8")
    assert (FOLDER / "images" / f"{name}.png").is_file()


def test_badges_wait_for_the_address_of_the_repository(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "PROJECT", tmp_path / "pyproject.toml")
    pages.PROJECT.write_text("[project]")
    assert pages.badge("en", "01_vae") == ""
    pages.PROJECT.write_text('[project.urls]\nRepository = "https://github.com/owner/name/"')
    assert "/github/owner/name/blob/main/tutorials/vi/01_vae.ipynb)" in pages.badge("vi", "01_vae")


def changed(change):
    """The problems of the first lesson once one edition has been changed."""
    english, vietnamese = (notebooks.read(e, notebooks.names()[0]) for e in ("en", "vi"))
    change(english, vietnamese)
    found = [*notebooks.problems_of_pair(english, vietnamese), *notebooks.problems_of(english)]
    return "; ".join(found)


def code(notebook):
    return next(cell for cell in notebook.cells if cell.cell_type == "code")


def with_figure(notebook):
    shown = (cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs)
    return next(c for c in shown if any("image/png" in o.get("data", {}) for o in c.outputs))


def add_many_figures(en, vi):
    with_figure(en).outputs *= 9


CHANGES = {
    "is stale": lambda en, vi: en.cells[0].update(source=en.cells[0].source + "."),
    "the code differs": lambda en, vi: code(vi).update(source="pass"),
    "the outputs differ": lambda en, vi: with_figure(vi).update(outputs=[]),
    "headings differ": lambda en, vi: vi.cells[0].update(source="## " + vi.cells[0].source),
    "formulas differ": lambda en, vi: vi.cells[0].update(source=vi.cells[0].source + " $x$"),
    "English cells and": lambda en, vi: vi.cells.pop(),
    "not executed": lambda en, vi: code(en).update(execution_count=None),
    "code cells, 25 at most": lambda en, vi: en.cells.extend(26 * [copy.deepcopy(code(en))]),
    "figures, 8 at most": add_many_figures,
}


@pytest.mark.parametrize("problem", CHANGES)
def test_a_problem_is_found(problem):
    assert not changed(lambda en, vi: None)
    assert problem in changed(CHANGES[problem])
