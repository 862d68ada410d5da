# Everything here needs python3 (3.11 or later), pip and make, nothing else: `make help`.

PYTHON ?= python3
# The oldest supported NumPy has wheels for Python 3.11 and 3.12 only.
PYTHON_OLDEST ?= $(PYTHON)
# pytest-xdist workers: auto is one per core, 0 runs the tests in one process.
WORKERS ?= auto
# Threads of each worker. More than one with a worker per core only makes them wait for each other.
THREADS ?= 1
PYTEST_ARGS ?=
BENCH_ARGS ?=

PIP_INSTALL = -m pip install --quiet --disable-pip-version-check
PYTEST = -m pytest -n $(WORKERS) $(PYTEST_ARGS)
test-oldest test-newest: export OMP_NUM_THREADS = $(THREADS)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-newest test-oldest soak lint bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: .venv/.installed-plots ## learning curves on handwritten digits: a table and a picture
	.venv/bin/python examples/plot_digits_demo.py

test: lint test-newest test-oldest ## lint, then the tests with the newest and the oldest versions

test-newest: .venv/.installed-dev ## the tests with the versions of constraints.txt
	.venv/bin/python $(PYTEST)

# Benchmarks run with the newest versions alone, and browsers care for no version of ours.
NEWEST_ALONE = benchmarks scale_benchmark network_benchmarks label_efficiency page_browser
test-oldest: .venv-oldest/.installed-test ## the tests with the versions of constraints-oldest.txt
	.venv-oldest/bin/python $(PYTEST) $(NEWEST_ALONE:%=--ignore=tests/test_%.py)

# Processes killed at random moments, ask and tell as well as fit.
KILLS ?= 200
soak: .venv/.installed-dev ## the tests that take long: killed processes (KILLS=200) and workers
	SKACTIVE_KILLS=$(KILLS) .venv/bin/python -m pytest tests/test_loop_killed.py
	SKACTIVE_KILLS=20 .venv/bin/python -m pytest tests/test_distributed_faults.py

lint: .venv/.installed-dev ## ruff and mypy
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

# scikit-matter asks for an older scikit-learn than it works with. Where it does not install, its
# lines say so.
bench: .venv/.installed-bench ## speed, memory and quality, peers beside; BENCH_ARGS=--help explains
	-.venv/bin/python $(PIP_INSTALL) -c constraints.txt --no-deps skmatter
	.venv/bin/python -m benchmarks $(BENCH_ARGS)

clean: ## remove the environments, caches and build products
	rm -rf .venv .venv-oldest build dist skactive.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The package is installed in editable mode: only a change of the dependencies installs again.
.venv/.installed-%: pyproject.toml constraints.txt | .venv/.created
	.venv/bin/python $(PIP_INSTALL) -c constraints.txt -e ".[$*]"
	@touch $@

.venv-oldest/.installed-%: pyproject.toml constraints-oldest.txt | .venv-oldest/.created
	.venv-oldest/bin/python $(PIP_INSTALL) -c constraints-oldest.txt -e ".[$*]"
	@touch $@

.venv/.created:
	$(call create_venv,$(PYTHON),$(@D))
	@touch $@

.venv-oldest/.created:
	$(call create_venv,$(PYTHON_OLDEST),$(@D))
	@touch $@

# Debian ships venv without ensurepip; there the pip at hand puts one into the new environment.
define create_venv
@$(1) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "skactive needs Python >= 3.11, $(1) is " + sys.version.split()[0] + ": make PYTHON=...")'
if $(1) -c 'import ensurepip' 2> /dev/null; then $(1) -m venv $(2); else \
	$(1) -m venv --without-pip $(2) && $(1) -m pip --python $(2)/bin/python install --quiet pip; fi
endef
