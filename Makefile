# PYTHON names the interpreter that creates .venv; empty means the first suitable one that is found.
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo

.NOTPARALLEL:
.PHONY: help demo picture test lint tutorials check-tutorials docs clean distclean

help:
	@echo "make demo       install into $(VENV), train a CVAE on the embedded digits, draw and export it"
	@echo "make picture    make demo, then renew the picture of the README"
	@echo "make test       install what the tests need into $(VENV) and run them"
	@echo "make lint       ruff: check and format --check"
	@echo "make tutorials  execute all lessons in full, both editions, and renew their index"
	@echo "make check-tutorials  compare the editions and execute every lesson in fast mode"
	@echo "make docs       build the documentation site into build/docs"
	@echo "make clean      remove caches, builds and what make demo wrote"
	@echo "make distclean  make clean, and remove $(VENV)"
	@echo
	@echo "PYTHON=/path/to/python chooses the interpreter of a new $(VENV): 3.11, 3.12 or 3.13."

demo: $(VENV)/.installed
	$(BIN)/tfcvae train quadrants --data digits --output $(DEMO) --overwrite
	$(BIN)/tfcvae export $(DEMO) saved_models/demo
	@echo "The run is in $(DEMO), the exported model in saved_models/demo."

picture: demo
	mkdir -p docs/images
	cp $(DEMO)/completions.png docs/images/completions.png

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadgroup

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

tutorials: $(VENV)/.installed-dev
	$(BIN)/python tutorials/notebooks.py run
	$(BIN)/python tutorials/pages.py

check-tutorials: $(VENV)/.installed-dev
	$(BIN)/python tutorials/notebooks.py check
	$(BIN)/python tutorials/notebooks.py run --fast

docs: $(VENV)/.installed-docs
	rm -rf build/docs
	for site in en vi; do \
	  TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/sphinx-build -W --keep-going -q -t $$site -c docs -b html . build/docs/$$site || exit 1; \
	done
	cp docs/start.html build/docs/index.html
	@echo "Open build/docs/index.html."

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache $(DEMO) saved_models/demo
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -e ".[dev]"
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -e ".[docs]"
	touch $@ $(VENV)/.installed

$(BIN)/python:
	@for python in $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3); do \
	  if "$$python" -c '$(SUITABLE)' 2>/dev/null; then \
	    echo "Creating $(VENV) with $$python ($$("$$python" --version))"; \
	    "$$python" -m venv $(VENV) && exit 0; \
	    rm -f $@; exit 1; \
	  fi; \
	done; \
	echo "No suitable interpreter$(if $(PYTHON),: $(PYTHON) is not one,). tfcvae needs Python 3.11, 3.12 or 3.13 with its venv module" >&2; \
	echo "(on Debian and Ubuntu the package python3-venv). Name one by: make PYTHON=/path/to/python ..." >&2; \
	exit 1

SUITABLE = import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
