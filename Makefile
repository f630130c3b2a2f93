# One word for each thing a developer does. Every target works on a bare checkout: what it needs
# is installed into .venv first. On Windows, call make from Git Bash.

ifeq ($(OS),Windows_NT)
PYTHON ?= python
SCRIPTS := Scripts
else
PYTHON ?= python3
SCRIPTS := bin
endif
VENV := .venv
BIN := $(VENV)/$(SCRIPTS)
SKLEARN_VERSIONS ?= 1.6 1.7 1.8 1.9
OLDEST_SKLEARN ?= 1.6
CONTRACT := tests/_estimators/test_contract.py tests/_estimators/test_flattener.py
# The rules of the project, of an estimator and of bad input; of these tests, those that start neither
# TensorFlow nor another process.
QUICK := tests/test_architecture.py tests/test_packaging.py tests/test_docstrings.py \
  tests/test_public_api.py tests/_estimators tests/_network tests/datasets/test_idx.py
NOT_QUICK := keras or xla or tensorflow or process or pickling or recipes or check_classifiers_train
NIGHTLY_WHEELS ?= https://pypi.anaconda.org/scientific-python-nightly-wheels/simple

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Array API checks of scikit-learn run instead of being skipped.
export SCIPY_ARRAY_API := 1

.DEFAULT_GOAL := help
.PHONY: help run test test-quick lint format type contract test-matrix test-nightly test-ray \
  package bench docs clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# $(1): a command. Its version, if it is a Python.
version_of = $(filter 2.% 3.%,\
  $(shell exec 2>/dev/null; $(1) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])'))
usable = $(filter 3.11.% 3.12.% 3.13.% 3.14.%,$(version_of))
# The advice must not be what was just tried, so it names an interpreter that is there.
other_python = $(firstword $(foreach name,python3.12 python3.13 python3.14 python3.11,\
  $(if $(call usable,$(name)),$(name))))
check_python = $(if $(call usable,$(PYTHON)),,$(error expected Python 3.11 to 3.14, got \
  $(or $(addprefix Python ,$(call version_of,$(PYTHON))),no Python) by the name '$(PYTHON)'. \
  $(if $(other_python),Name one that is here: make $(MAKECMDGOALS) PYTHON=$(other_python),Install \
  Python 3.12 from https://www.python.org/downloads and name it: make $(MAKECMDGOALS) PYTHON=PATH)))

# $(1): the folder of a virtual environment to make, unless it is there. What is half made is
# removed, as it would count as made.
define make_venv
$(if $(shell test -x $(1)/$(SCRIPTS)/python && echo there),,$(check_python))
	@test -x $(1)/$(SCRIPTS)/python || { \
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

test-quick: $(VENV)/test.installed ## Run what an edit breaks most often, in under a minute
	$(BIN)/python -m pytest -q -k "not ($(NOT_QUICK))" $(QUICK) sk_mnist_mlp

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
	$(VENV)-sklearn-$*/$(SCRIPTS)/python -m pytest $(CONTRACT)

.PRECIOUS: $(VENV)-sklearn-%/installed
$(VENV)-sklearn-%/installed: pyproject.toml
	$(call make_venv,$(VENV)-sklearn-$*)
	@$(VENV)-sklearn-$*/$(SCRIPTS)/python -m pip install --quiet --editable '.[contract]' 'scikit-learn==$*.*'
	@touch $@

test-nightly: $(VENV)-nightly/installed ## Run every test on tomorrow's NumPy, SciPy, scikit-learn, pandas and matplotlib
	$(VENV)-nightly/$(SCRIPTS)/python -m pip install --quiet --pre --upgrade --no-deps \
	  --index-url $(NIGHTLY_WHEELS) numpy scipy scikit-learn pandas matplotlib
	$(VENV)-nightly/$(SCRIPTS)/python -m pytest

$(VENV)-nightly/installed: pyproject.toml
	$(call make_venv,$(VENV)-nightly)
	@$(VENV)-nightly/$(SCRIPTS)/python -m pip install --quiet '.[test]'
	@touch $@

test-ray: $(VENV)/test.installed $(VENV)/ray.installed ## Run the tests of searches on Ray, which is large
	$(BIN)/python -m pytest tests/model_selection/ray_backend.py

BENCHMARKS := bench_fit bench_predict bench_memory bench_search bench_accuracy bench_photos

bench: $(VENV)/bench.installed ## Measure everything, for two hours, and write the tables of the documents
	@status=0; cd examples/benchmarks; \
	for name in $(BENCHMARKS); do $(CURDIR)/$(BIN)/python $$name.py || status=1; done; \
	$(CURDIR)/$(BIN)/python render_readme.py && $(CURDIR)/$(BIN)/python render_accuracy.py && exit $$status

# The wheel is built from the source distribution, so both are whole; it is tried in an environment
# with nothing else in it, away from the checkout.
package: $(VENV)/package.installed ## Build and check the distributions, run the README's example from the wheel
	rm -rf dist $(VENV)-wheel
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/check-wheel-contents dist
	$(BIN)/python -m venv $(VENV)-wheel
	$(VENV)-wheel/$(SCRIPTS)/python -m pip install --quiet dist/*.whl
	$(VENV)-wheel/$(SCRIPTS)/python tools/try_wheel.py $(TRY)

docs: $(VENV)/docs.installed ## Draw the pictures, write docs/api.md, build the site in build/docs
	$(BIN)/python examples/plot_tutorial.py
	$(BIN)/python docs/render_api.py
	$(BIN)/python -m sphinx -q -W --keep-going docs build/docs

clean: ## Remove what the other targets made
	rm -rf $(VENV) $(VENV)-sklearn-* $(VENV)-nightly $(VENV)-wheel build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
