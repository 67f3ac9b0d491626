# Everything a newcomer or CI runs. `make` alone lists the targets.
#
# PYTHON=/path/to/python   the interpreter for the virtual environments (default: the first of python3.11, python3, ... that is >= 3.11)
# WORKERS=2                processes for the tests
# DEMO_ARGS, LAB_ARGS, PYTEST_ARGS, VERIFY_ARGS, MUTANTS_ARGS, SOAK_ARGS, SAMPLES_ARGS, LOCK_ARGS, SCREENSHOTS_ARGS   handed on to the command
# NOTEBOOKS_OUT=DIR        keep the executed notebooks there (default: a temporary folder, removed)

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
# Tests and notebooks start hundreds of processes; each would compile the package again.
export PYTHONDONTWRITEBYTECODE :=
.DELETE_ON_ERROR:

PYTHON ?=
WORKERS ?= 2
DEMO_ARGS ?=
LAB_ARGS ?=
PYTEST_ARGS ?=
VERIFY_ARGS ?=
MUTANTS_ARGS ?=
SOAK_ARGS ?=
SAMPLES_ARGS ?=
COVERAGE_ARGS ?=
LOCK_ARGS ?=
SCREENSHOTS_ARGS ?=
NOTEBOOKS_OUT ?=

UV_VERSION := 0.13.9
BIN := .venv/bin
STAMP := .venv/.installed
SAMPLES_STAMP := .venv-samples/.installed
KOKORO_JS := kokoro-js@1.2.1
KOKORO_JS_SHA512 := a2ad076495a2b37b7c94446430987ce162d4f3a769603d04b813eda989cb950cf214fd4e9320510dcc1e02a09f84d3a996dc8df63fdace9d47eaeb82e3b81287
KOKORO_STYLES := .venv-samples/kokoro-js/.unpacked
# The replay is proven on what lies here: the samples, and calls of one's own beside the clone.
RECORDINGS = audio_samples $(wildcard ../shared/recordings)
NOTEBOOKS = $(sort $(wildcard notebooks/*.ipynb notebooks/course/*.ipynb))

# $(call find_python): shell code that sets $py to a Python >= 3.11 with venv and pip, or says what is missing.
define find_python
py=''; seen=''; \
for candidate in $(or $(PYTHON),python3.11 python3 python3.12 python3.13 python3.14); do \
  version=$$("$$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
  seen="$$seen $$candidate ($$version)"; \
  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then py=$$candidate; break; fi; \
done; \
if [ -z "$$py" ]; then \
  echo "make: Python 3.11 or newer is needed; found:$${seen:- none}. Install it or say: make PYTHON=/path/to/python3.11" >&2; exit 1; \
fi; \
if ! "$$py" -c 'import venv, ensurepip' 2>/dev/null; then \
  echo "make: $$py has no working venv module. On Debian or Ubuntu: apt-get install python$$version-venv" >&2; exit 1; \
fi
endef

# $(call make_venv,DIR): (re)make DIR with $py; what is installed there stays if the Python is the same. pip talks on stderr.
define make_venv
$(find_python); \
have=$$($(1)/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true); \
if [ "$$have" != "$$version" ] || ! $(1)/bin/python -m pip --version >/dev/null 2>&1; then \
  echo "make: making $(1) with $$py (Python $$version)" >&2; rm -rf $(1); "$$py" -m venv $(1); \
fi
endef

##@ Use

demo: $(STAMP)  ## run the main job on audio_samples/calls/demo/: recordings to settings, pictures and a profile
	@$(BIN)/lab demo $(DEMO_ARGS)

lab: $(STAMP)  ## open JupyterLab on notebooks/
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks $$([ "$$(id -u)" != 0 ] || echo --allow-root) $(LAB_ARGS)

venv: $(STAMP)  ## make .venv from requirements.lock (the other targets do this by themselves)

##@ Test

test: $(STAMP)  ## run the test suite
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

test-fast: $(STAMP)  ## run the tests that take less than a second each, with few drawn examples (under a minute)
	HYPOTHESIS_PROFILE=quick $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow and not browser and not virtual" $(PYTEST_ARGS)

check: check-style check-types check-imports check-notebooks  ## ruff, mypy, import-linter, stripped notebooks

check-style: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-types: $(STAMP)
	$(BIN)/mypy

check-imports: $(STAMP)
	$(BIN)/lint-imports --no-logo --cache-dir .venv/.import_linter_cache

check-notebooks: $(STAMP)
	$(if $(NOTEBOOKS),$(BIN)/nbstripout --verify $(NOTEBOOKS),@echo "no notebooks yet")

notebooks: $(STAMP)  ## execute every notebook into a temporary folder
	@out="$(NOTEBOOKS_OUT)"; \
	if [ -z "$$out" ]; then out=$$(mktemp -d); trap 'rm -rf "$$out"' EXIT; fi; \
	for notebook in $(NOTEBOOKS); do \
	  start=$$SECONDS; \
	  $(BIN)/jupyter nbconvert --to notebook --execute --ExecutePreprocessor.timeout=900 \
	    --log-level WARN --output-dir "$$out" "$$notebook" || exit 1; \
	  echo "executed $$notebook in $$((SECONDS - start)) s"; \
	done

verify: $(STAMP)  ## prove the replay on 300 settings (more: VERIFY_ARGS="--settings 1000 --seed 1")
	@$(BIN)/lab verify $(RECORDINGS) --settings 300 $(VERIFY_ARGS)

mutants: $(STAMP)  ## put small faults into the core, and count those that its tests notice (an hour)
	$(BIN)/python tests/mutants.py $(MUTANTS_ARGS)

coverage: $(STAMP)  ## how often 95 % intervals contain the truth, in simulated studies (minutes)
	@$(BIN)/python tests/interval_coverage.py $(COVERAGE_ARGS)

soak: $(STAMP)  ## faults at random for 20 minutes, as JSON: nothing may be lost or changed (SOAK_ARGS="--minutes 5 --seed 1")
	@$(BIN)/python tests/soak.py $(SOAK_ARGS)

bench: $(STAMP)  ## print benchmark results as JSON
	@$(BIN)/python tests/bench.py

bench-scale: $(STAMP)  ## print as JSON how memory and time of a sweep grow with the hours (a quarter of an hour)
	@$(BIN)/python tests/bench_scale.py

bench-ui: $(STAMP)  ## print as JSON how fast the tuner is in Chromium
	@$(BIN)/python tests/bench_ui.py

docs: $(STAMP)  ## build the documentation as a site in build/site/, and check its links
	$(BIN)/python docs/build_site.py build/site

cheat-sheet: $(STAMP)  ## print the cheat sheet into build/cheat_sheet/, as HTML and PDF (needs Chromium)
	$(BIN)/python docs/print_cheat_sheet.py build/cheat_sheet

##@ Maintain

format: $(STAMP)  ## put code and notebooks into the form that `make check` wants
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(if $(NOTEBOOKS),$(BIN)/nbstripout $(NOTEBOOKS))

samples: $(SAMPLES_STAMP) $(KOKORO_STYLES)  ## make the sample calls anew, in an environment of their own (long)
	.venv-samples/bin/python audio_samples/make_samples.py
	.venv-samples/bin/python audio_samples/calls/make_calls.py $(SAMPLES_ARGS)
	.venv-samples/bin/python audio_samples/calls/measure.py --write

traces: $(STAMP)  ## trace the demo calls anew for audio_samples/calls/traces.zip (ten minutes)
	$(BIN)/python audio_samples/calls/write_traces.py

widgets:  ## bundle the widgets' JavaScript anew, and test it (needs Node; what it makes is committed)
	cd lab_utils/widgets/js && npm ci --no-audit --no-fund && npm test && npm run build

screenshots: $(STAMP)  ## take the pictures of the workbench in docs/images anew (needs Chromium)
	$(BIN)/python docs/take_screenshots.py $(SCREENSHOTS_ARGS)

lock:  ## write requirements.lock from pyproject.toml (newest versions: LOCK_ARGS=--upgrade)
	@$(find_python); \
	tool=$$(mktemp -d); trap 'rm -rf "$$tool"' EXIT; \
	"$$py" -m venv "$$tool" && \
	"$$tool/bin/pip" install --quiet uv==$(UV_VERSION) && \
	"$$tool/bin/uv" pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	  --fork-strategy fewest --no-config --quiet --generate-hashes --custom-compile-command "make lock" \
	  $(LOCK_ARGS) --output-file requirements.lock && \
	echo "requirements.lock: $$(grep -c '^[^ #].*==' requirements.lock) packages"

clean:  ## remove caches and build leftovers (the environments stay)
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .venv/.import_linter_cache
	find . -path './.venv*' -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints -o -name '*.egg-info' \) \
	  -type d -prune -exec rm -rf {} +

distclean: clean  ## clean, and remove the environments too
	rm -rf .venv .venv-samples

help:  ## list the targets
	@awk 'BEGIN {FS = ":.*  ## "} \
	  /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*  ## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

$(STAMP): requirements.lock pyproject.toml
	@$(call make_venv,.venv); \
	echo "make: installing requirements.lock into .venv (about 1.6 GB; minutes the first time)" >&2; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock >&2 && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e . >&2 && \
	$(BIN)/jupyter labextension disable --level=sys_prefix "@jupyterlab/apputils-extension:announcements" >&2
	@touch $@

$(SAMPLES_STAMP): audio_samples/requirements.txt
	@$(call make_venv,.venv-samples); \
	echo "make: installing audio_samples/requirements.txt into .venv-samples" >&2; \
	.venv-samples/bin/python -m pip install --quiet --disable-pip-version-check -r $< >&2
	@touch $@

$(KOKORO_STYLES): $(SAMPLES_STAMP)
	@command -v npm >/dev/null || { echo "make: npm is needed to fetch $(KOKORO_JS), the styles of the voices" >&2; exit 1; }
	@folder=$(dir $@); rm -rf $$folder && mkdir -p $$folder && \
	npm pack --silent --pack-destination $$folder $(KOKORO_JS) >&2 && \
	echo "$(KOKORO_JS_SHA512)  $$(ls $$folder*.tgz)" | sha512sum --check --quiet && \
	tar xzf $$folder*.tgz -C $$folder
	@touch $@

.PHONY: demo lab venv coverage test test-fast check check-style check-types check-imports check-notebooks notebooks verify bench bench-scale bench-ui docs cheat-sheet format \
        mutants soak samples traces widgets screenshots lock clean distclean help
