"""The Markdown files: their Python blocks run, their links exist, and the two READMEs agree."""

import re
import tomllib
from pathlib import Path

import pytest
import tensorflow_probability as tfp

import tfcvae

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FOLDERS = ("tutorials", "saved_models", "benchmarks", "docs")
MARKDOWN = sorted([*ROOT.glob("*.md"), *(p for f in FOLDERS for p in (ROOT / f).rglob("*.md"))])


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def python_blocks(name):
    return [code for language, code in FENCE.findall(read(name)) if language == "python"]


def headings(text):
    return re.findall(r"^#+ .*$", FENCE.sub("", text), re.MULTILINE)


def anchor(heading):
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lstrip("# ").lower()).replace(" ", "-")


def execute(code, name):
    exec(compile(code, name, "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("index", range(len(python_blocks("README.md"))))
def test_readme_block_runs(index, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    execute(python_blocks("README.md")[index], f"README.md, block {index}")


def test_the_example_of_a_prior_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    execute("\n\n".join(python_blocks("CONTRIBUTING.md")), "CONTRIBUTING.md")


def test_the_page_on_tfp_layers_runs_and_has_every_name():
    execute("\n\n".join(python_blocks("docs/from-tfp-layers.md")), "docs/from-tfp-layers.md")
    page = read("docs/from-tfp-layers.md")
    public = [n for n, value in vars(tfp.layers).items() if n[0] != "_" and callable(value)]
    assert len(public) > 25
    assert [name for name in public if f"`{name}`" not in page] == []


def test_the_tables_of_densities_are_those_of_the_results(monkeypatch, capsys):
    """What `benchmarks/density.py --table` prints stands in the docs."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import common
    import density_models
    import density_report

    def printed():
        return {line for line in capsys.readouterr().out.splitlines() if line.startswith("|")}

    rows = common.read_rows(common.RESULTS / "density.jsonl")
    density_report.advice(rows)
    assert printed() - set(read("docs/priors.md").splitlines()) == set()
    density_report.summary(rows, density_models.MAIN + density_models.BEST)
    main = printed()
    for name in ("README.md", "README.vi.md"):
        assert main - set(read(name).splitlines()) == set()


def test_the_two_readmes_agree():
    english, vietnamese = (headings(read(name)) for name in ("README.md", "README.vi.md"))
    levels = [[h.split()[0] for h in found] for found in (english, vietnamese)]
    assert levels[0] == levels[1]
    assert python_blocks("README.md") == python_blocks("README.vi.md")
    assert len(python_blocks("README.md")) >= 3


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_exist(path):
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", path.read_text(encoding="utf-8")))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        name, _, fragment = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), f"{path.relative_to(ROOT)} links to {link}"
        if fragment:
            assert fragment in map(anchor, headings(target.read_text(encoding="utf-8"))), link


def test_versions_agree():
    project = tomllib.loads(read("pyproject.toml"))
    assert project["project"]["dynamic"] == ["version"]
    attribute = project["tool"]["setuptools"]["dynamic"]["version"]["attr"]
    assert attribute == "tfcvae._version.__version__"
    cited = re.search(r"^version: (.*)$", read("CITATION.cff"), re.MULTILINE)[1]
    assert cited == tfcvae.__version__
    assert tfcvae.__version__ in read("CHANGELOG.md")
