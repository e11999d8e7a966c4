# `make report` runs the main job on a sample cluster, `make test` runs all tests; both set up what they need.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SAMPLE ?= payments-istio
OUT ?= out/$(SAMPLE)
SAMPLES := payments-istio clinic-linkerd legacy-flannel
JOBS ?= auto
EXAMPLES ?= 1000

PROGRAMS := $${AUDITOR_TEST_CACHE:-$$HOME/.cache/auditor-tests}/controlplane

.PHONY: help setup report samples test check unit proof live-programs bench manifests image lock clean

help:
	@echo "make report   set up, audit the sample cluster $(SAMPLE), print where the report is"
	@echo "make test     set up, run the linters, the type checker and all tests"
	@echo "make proof    compare the reachability engine with slow evaluators on $(EXAMPLES) clusters for each layer and mixture"
	@echo "make samples  audit all three sample clusters"
	@echo "make bench    print CPU seconds and peak memory of the main job and of the engines"
	@echo "make image    build the container image with buildah, try it, print its size (deploy/image/build.sh says more)"
	@echo "make manifests  write the chart's rules and the plain manifests again (after a change to what controls read)"
	@echo "make lock     resolve the dependencies again, with hashes"

$(VENV)/.created:
	@sh requirements/system.sh
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "auditor: Python 3.11 or later is needed" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: requirements/run.txt requirements/build.txt pyproject.toml $(VENV)/.created
	@echo "Installing dependencies ..." >&2
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.test: requirements/dev.txt $(VENV)/.run
	@sh requirements/system.sh test
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

setup: $(VENV)/.run

report: $(VENV)/.run
	@$(BIN)/auditor audit samples/clusters/$(SAMPLE) --scope samples/clusters/$(SAMPLE)/scope.yaml --out $(OUT)

samples: $(VENV)/.run
	@for sample in $(SAMPLES); do $(MAKE) --no-print-directory report SAMPLE=$$sample || exit $$?; done

test: check unit

check: $(VENV)/.test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

unit: $(VENV)/.test live-programs
	@$(BIN)/python -m pytest -n $(JOBS)

live-programs:
	@if command -v go >/dev/null; then bash tests/live/controlplane/build.sh "$(PROGRAMS)"; \
	else echo "auditor: Go isn't installed: the live tests are skipped (in CI that is a failure)" >&2; fi

proof: $(VENV)/.test
	@AUDITOR_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -n $(JOBS) tests/network -k "against_reference or properties"

bench: $(VENV)/.test
	@$(BIN)/python -m benchmarks

manifests: $(VENV)/.run live-programs
	@$(BIN)/python deploy/generate_rules.py
	@PATH="$(PROGRAMS):$$PATH" $(BIN)/python deploy/kustomize/render.py

image:
	@sh deploy/image/build.sh

lock:
	uv pip compile -q --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock" pyproject.toml -o requirements/run.txt
	uv pip compile -q --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock" --group build -o requirements/build.txt
	uv pip compile -q --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock" --all-extras --group dev -c requirements/run.txt -c requirements/build.txt pyproject.toml -o requirements/dev.txt
	uv pip compile -q --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock" --all-extras -c requirements/dev.txt pyproject.toml -o requirements/image.txt
	uv pip compile -q --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock" --group image -c requirements/dev.txt -o requirements/sbom.txt

clean:
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
