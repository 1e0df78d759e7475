"""Checks and executes the lessons.

    python tutorials/notebooks.py check [NAME ...]   both editions agree, and keep to the limits
    python tutorials/notebooks.py run [NAME ...]     executes lessons in full and saves them
    python tutorials/notebooks.py run --fast         executes them in fast mode and saves nothing
    python tutorials/notebooks.py translated NAME    notes that the Vietnamese cells are up to date

The code of both editions is the same, so it runs once, in English, and both receive its outputs.
"""

import argparse
import base64
import hashlib
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
CODE_CELLS = 25
FIGURES = 8
FIGURE_BYTES = 500_000
WORDS = (1500, 2500)
NOTE = "tfcvae"
"""The key of our own metadata, of cells and of notebooks."""

_FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.DOTALL)
_NOISE = re.compile(r"^(?:WARNING: All log messages before absl|[IWE]0000 ).*\n?", re.MULTILINE)
_TEXT_IN_FORMULA = re.compile(r"\\text(?:rm|bf)?\{[^}]*\}")


def names():
    """The lessons, in order."""
    return sorted(path.stem for path in (FOLDER / "en").glob("*.ipynb"))


def read(language, name):
    """One edition of a lesson."""
    return nbformat.read(FOLDER / language / f"{name}.ipynb", as_version=4)


def write(language, name, notebook):
    """Saves one edition of a lesson."""
    nbformat.validate(notebook)
    nbformat.write(notebook, FOLDER / language / f"{name}.ipynb")


def digest(cell):
    """A short hash of the text of a cell."""
    return hashlib.sha256(cell.source.encode()).hexdigest()[:16]


def formulas(cell):
    """The formulas of a cell, without the words in them."""
    return [_TEXT_IN_FORMULA.sub("", formula) for formula in _FORMULA.findall(cell.source)]


def headings(cell):
    """The levels of the headings of a cell."""
    return re.findall(r"^#+(?= )", cell.source, re.MULTILINE)


def figures(notebook):
    """The pictures among the outputs, decoded."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/png" in data:
                yield base64.b64decode(data["image/png"])


def problems_of_pair(english, vietnamese):
    """Yields what differs between two editions that should not."""
    if len(english.cells) != len(vietnamese.cells):
        yield f"{len(english.cells)} English cells and {len(vietnamese.cells)} Vietnamese ones"
    for number, (en, vi) in enumerate(zip(english.cells, vietnamese.cells)):
        if en.cell_type != vi.cell_type:
            yield f"cell {number} is {en.cell_type} in English, {vi.cell_type} in Vietnamese"
        elif en.cell_type == "code":
            if en.source != vi.source:
                yield f"cell {number}: the code differs"
            if en.outputs != vi.outputs:
                yield f"cell {number}: the outputs differ"
        else:
            if headings(en) != headings(vi):
                yield f"cell {number}: the levels of the headings differ"
            if formulas(en) != formulas(vi):
                yield f"cell {number}: the formulas differ"
            if vi.metadata.get(NOTE, {}).get("translates") != digest(en):
                yield f"cell {number} is stale: its English text has changed"


def problems_of(notebook):
    """Yields what is wrong with one edition by itself."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if len(code) > CODE_CELLS:
        yield f"{len(code)} code cells, {CODE_CELLS} at most"
    if any(cell.execution_count is None for cell in code):
        yield "it is not executed as a whole"
    if any(output.output_type == "error" for cell in code for output in cell.outputs):
        yield "an output is an error"
    pictures = list(figures(notebook))
    if len(pictures) > FIGURES:
        yield f"{len(pictures)} figures, {FIGURES} at most"
    if any(len(picture) > FIGURE_BYTES for picture in pictures):
        yield f"a figure of more than {FIGURE_BYTES:,} bytes"
    for cell in code:
        for output in cell.outputs:
            if re.search(r"/(home|root|work|tmp|Users)/", str(output.get("text", ""))):
                yield "an output names a folder of the machine that made it"


def words(notebook):
    """The number of words of the text."""
    text = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return len(_FORMULA.sub(" ", "\n".join(text)).split())


def problems(name):
    """Yields what is wrong with a lesson."""
    english = read("en", name)
    if not WORDS[0] <= words(english) <= WORDS[1]:
        yield f"{name}: {words(english)} words, {WORDS[0]} to {WORDS[1]} wanted"
    if not (FOLDER / "vi" / f"{name}.ipynb").exists():
        yield f"{name}: there is no Vietnamese edition"
        return
    vietnamese = read("vi", name)
    for language, notebook in (("en", english), ("vi", vietnamese)):
        yield from (f"{name}, {language}: {problem}" for problem in problems_of(notebook))
    yield from (f"{name}: {problem}" for problem in problems_of_pair(english, vietnamese))


def check(chosen):
    """Prints every problem; the number of them."""
    found = [problem for name in chosen for problem in problems(name)]
    print("\n".join(found) or f"{len(chosen)} lessons, nothing wrong")
    return len(found)


def without_noise(outputs):
    """Outputs without what TensorFlow's C++ code logs when it starts."""
    kept = []
    for output in outputs:
        if output.get("name") == "stderr":
            output.text = _NOISE.sub("", output.text)
        if output.get("text", "...").strip():
            kept.append(output)
    return kept


def execute(name, fast):
    """Executes the English edition; the notebook and the seconds it took."""
    notebook = read("en", name)
    os.environ["TFCVAE_TUTORIAL_FAST"] = "1" if fast else "0"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    start = time.perf_counter()
    resources = {"metadata": {"path": str(FOLDER / "en")}}
    client = NotebookClient(
        notebook, timeout=1800, kernel_name="python3", resources=resources, coalesce_streams=True
    )
    client.execute()
    return notebook, time.perf_counter() - start


def run(chosen, fast):
    """Executes lessons; in full it saves both editions with the outputs."""
    for name in chosen:
        executed, seconds = execute(name, fast)
        print(f"{name}: {seconds:.0f} s", flush=True)
        if fast:
            continue
        for language in ("en", "vi"):
            if not (FOLDER / language / f"{name}.ipynb").exists():
                continue
            notebook = read(language, name)
            notebook.metadata = {
                "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                "language_info": {"name": "python"},
                NOTE: {"seconds": round(seconds)},
            }
            for cell, done in zip(notebook.cells, executed.cells):
                if cell.cell_type == "code":
                    cell.outputs = without_noise(done.outputs)
                    cell.execution_count = done.execution_count
            write(language, name, notebook)


def translated(chosen):
    """Notes in every Vietnamese cell which English text it translates."""
    for name in chosen:
        vietnamese = read("vi", name)
        for en, vi in zip(read("en", name).cells, vietnamese.cells):
            if vi.cell_type == "markdown":
                vi.metadata[NOTE] = {"translates": digest(en)}
        write("vi", name, vietnamese)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("check", "run", "translated"))
    parser.add_argument("names", nargs="*", help="lessons; all if none is named")
    parser.add_argument("--fast", action="store_true", help="fast mode, saves nothing")
    arguments = parser.parse_intermixed_args()
    chosen = arguments.names or names()
    if unknown := set(chosen) - set(names()):
        parser.error(f"there is no lesson {', '.join(sorted(unknown))}")
    if arguments.command == "check":
        sys.exit(1 if check(chosen) else 0)
    if arguments.command == "run":
        run(chosen, arguments.fast)
    else:
        translated(chosen)


if __name__ == "__main__":
    main()
