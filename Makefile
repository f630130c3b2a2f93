# One word for each thing a developer does. Every target works on a bare checkout: what it needs
# is installed into .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SKLEARN_VERSIONS ?= 1.6 1.7 1.8 1.9
OLDEST_SKLEARN := 1.6
CONTRACT := tests/_estimators/test_contract.py tests/_estimators/test_flattener.py

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Array API checks of scikit-learn run instead of being skipped.
export SCIPY_ARRAY_API := 1

.DEFAULT_GOAL := help
.PHONY: help run test lint format type contract test-matrix test-ray bench docs clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

# $(1): a command. Its version, if it is a Python.
version_of = $(filter 2.% 3.%,\
  $(shell exec 2>/dev/null; $(1) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])'))
usable = $(filter 3.11.% 3.12.% 3.13.%,$(version_of))
# The advice must not be what was just tried, so it names an interpreter that is there.
other_python = $(firstword $(foreach name,python3.12 python3.13 python3.11,$(if $(call usable,$(name)),$(name))))
check_python = $(if $(call usable,$(PYTHON)),,$(error expected Python 3.11 to 3.13, got \
  $(or $(addprefix Python ,$(call version_of,$(PYTHON))),no Python) by the name '$(PYTHON)'. \
  $(if $(other_python),Name one that is here: make $(MAKECMDGOALS) PYTHON=$(other_python),Install \
  Python 3.12 from https://www.python.org/downloads and name it: make $(MAKECMDGOALS) PYTHON=PATH)))

# $(1): the folder of a virtual environment to make, unless it is there. What is half made is
# removed, as it would count as made.
define make_venv
$(if $(shell test -x $(1)/bin/python && echo there),,$(check_python))
	@test -x $(1)/bin/python || { \
	  echo "Installing into $(1); the first time this takes a minute or two."; \
	  $(PYTHON) -m venv $(1) || { rm -rf $(1); exit 1; }; }
endef

# An extra is installed once; a newer pyproject.toml installs it again.
$(VENV)/%.installed: pyproject.toml
	$(call make_venv,$(VENV))
	@$(BIN)/python -m pip install --quiet --editable '.[$*]'
	@touch $@

run: $(VENV)/command.installed ## Train the tutorial's network on MNIST and print its test accuracy
	@$(BIN)/sk-mnist-mlp train --output mnist.skmlp

test: $(VENV)/test.installed ## Run every test
	$(BIN)/python -m pytest

lint: $(VENV)/dev.installed ## Check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/dev.installed ## Put style and format right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(VENV)/dev.installed ## Check types, strictly
	$(BIN)/mypy

contract: $(VENV)-sklearn-$(OLDEST_SKLEARN)/contract ## Run the estimator contract on the oldest scikit-learn

test-matrix: $(SKLEARN_VERSIONS:%=$(VENV)-sklearn-%/contract) ## Run the contract on every supported scikit-learn

.PHONY: $(SKLEARN_VERSIONS:%=$(VENV)-sklearn-%/contract)
$(SKLEARN_VERSIONS:%=$(VENV)-sklearn-%/contract): $(VENV)-sklearn-%/contract: $(VENV)-sklearn-%/installed
	$(VENV)-sklearn-$*/bin/python -m pytest $(CONTRACT)

.PRECIOUS: $(VENV)-sklearn-%/installed
$(VENV)-sklearn-%/installed: pyproject.toml
	$(call make_venv,$(VENV)-sklearn-$*)
	@$(VENV)-sklearn-$*/bin/python -m pip install --quiet --editable '.[contract]' 'scikit-learn==$*.*'
	@touch $@

test-ray: $(VENV)/test.installed $(VENV)/ray.installed ## Run the tests of searches on Ray, which is large
	$(BIN)/python -m pytest tests/model_selection/ray_backend.py

BENCHMARKS := bench_fit bench_predict bench_memory bench_search bench_accuracy

bench: $(VENV)/bench.installed ## Measure everything, for two hours, and write the tables of the documents
	@status=0; cd examples/benchmarks; \
	for name in $(BENCHMARKS); do $(CURDIR)/$(BIN)/python $$name.py || status=1; done; \
	$(CURDIR)/$(BIN)/python render_readme.py && $(CURDIR)/$(BIN)/python render_accuracy.py && exit $$status

docs: $(VENV)/docs.installed ## Draw the pictures, write docs/api.md, build the site in build/docs
	$(BIN)/python examples/plot_tutorial.py
	$(BIN)/python docs/render_api.py
	$(BIN)/python -m sphinx -q -W --keep-going docs build/docs

clean: ## Remove what the other targets made
	rm -rf $(VENV) $(VENV)-sklearn-* build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
