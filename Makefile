# The two commands of the README are `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LIGHT := $(VENV)/.light
DEV := $(VENV)/.dev
ALL := $(VENV)/.all
DEMO := demo-out
ENGINE ?= docker
VARIANT ?= light

.PHONY: demo demo-all test lint types bench elasticsearch images screenshots system clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(LIGHT): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(DEV): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(LIGHT)

$(ALL): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[all]'
	touch $@ $(LIGHT)

demo: $(LIGHT)  ## Index the demo photographs and search them
	@SIGHTSOUND_HOME=$(DEMO) sh examples/demo.sh $(BIN)/sightsound $(DEMO)

demo-all: $(ALL)  ## The demo with sounds and films: installs the extras, torch among them
	@SIGHTSOUND_HOME=$(DEMO) sh examples/demo-all.sh $(BIN)/sightsound $(DEMO)

test: $(DEV) system  ## Run every test
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(DEV) types  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/mypy

types:  ## Links that show type checkers the package as it is imported
	@mkdir -p .types/sightsound
	@find .types/sightsound -mindepth 1 -delete
	@for entry in core/*; do [ "$$entry" = core/__pycache__ ] || ln -s ../../$$entry .types/sightsound/; done
	@for entry in plugins webapp; do ln -s ../../$$entry .types/sightsound/; done

bench: $(DEV)  ## Run the benchmarks; writes docs/benchmarks.md
	$(BIN)/python benchmarks/all.py

elasticsearch:  ## Run one Elasticsearch node, to try things with, until Ctrl-C
	@sh scripts/elasticsearch.sh

images:  ## Build docker/'s images. VARIANT=light or full; ENGINE=docker, podman or buildah
	@for target in index serve all; do \
	  $(ENGINE) build --file docker/Dockerfile --target $$target --build-arg VARIANT=$(VARIANT) $(IMAGES_OPTIONS) \
	    --tag sightsound:$$target-$(VARIANT) . || exit 1; \
	done

screenshots: $(DEV) system  ## Take pictures of the site's pages, into docs/screenshots
	$(BIN)/python tests/screenshots.py docs/screenshots

system:  ## Install the Debian packages that tests need and that are missing (as root)
	@sh scripts/system.sh

clean:
	rm -rf $(VENV) .types $(DEMO) elasticsearch-out tests/elasticsearch-node/target build dist *.egg-info
