# LiveBand: everything from nothing. `make help` lists the targets.
# PYTHON=python3.12 takes another interpreter; PIP_FLAGS="--extra-index-url ..." takes torch's CPU-only build from its index
# where torch is installed (make dev, make test).

SHELL := /bin/bash
PYTHON ?= python3
PIP_FLAGS ?=
PYTEST_FLAGS ?=
PLUGIN_FLAGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt $(PIP_FLAGS)
BENCHMARKS := $(filter-out __init__,$(basename $(notdir $(wildcard benchmarks/*.py))))
# Tests render with fluidsynth and one small font; the tracker used for scores (madmom) is compiled on the spot.
TEST_PACKAGES := libfluidsynth3 timgm6mb-soundfont gcc g++ python3-dev libportaudio2 jackd2
# Hosts that the plug-in, the externals, the patches and the jam page are tested in, and a screen for the plug-in's window. Without them those tests skip.
HOST_PACKAGES := ardour ecasound jalv lilv-utils lv2-dev lv2file sordi xvfb fonts-inter \
                 puredata-core puredata-dev supercollider-server supercollider-language supercollider-dev \
                 nodejs csound chuck chromium-headless-shell
# What builds the plug-in's core for Windows and runs it here: a download of 170 MB.
WINDOWS_PACKAGES := g++ g++-mingw-w64-x86-64-posix wine64
FONT_PACKAGES := libfluidsynth3 timgm6mb-soundfont fluid-soundfont-gm musescore-general-soundfont-lossless \
                 csound-soundfont fluidr3mono-gm-soundfont opl3-soundfont avldrums.lv2-soundfont hydrogen-drumkits

.PHONY: help demo bench plugin windows test test-quick fuzz check format install dev fonts hosts hooks clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

demo: install  ## play along with the bundled recording: audio files and a picture
	$(BIN)/liveband demo

bench: dev  ## cost per frame and distance to the limit; appended to benchmarks/results
	@if [ -z "$(BENCHMARKS)" ]; then echo "no benchmarks yet"; fi
	@set -e; for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name; done

plugin:  ## the plug-in from its sources, into build/plugin (PLUGIN_FLAGS: more flags for CMake)
	@.ci/plugin $(PLUGIN_FLAGS)

windows: dev  ## the plug-in's core for Windows, tested under Wine
	@.ci/apt-install $(WINDOWS_PACKAGES)
	@$(BIN)/python -m pytest tests/plugin_shim/test_windows.py $(PYTEST_FLAGS)

test: dev hosts  ## every test; builds the plug-in first
	@.ci/plugin --if-possible $(PLUGIN_FLAGS)
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(PYTEST_FLAGS)

test-quick: dev  ## every test that takes seconds
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not slow" $(PYTEST_FLAGS)

fuzz: dev  ## every parser of strangers' bytes, FUZZ_SECONDS each (60)
	$(BIN)/python tests/fuzz/drive.py --seconds $(or $(FUZZ_SECONDS),60)

check: dev  ## ruff, format, types, layers, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

format: dev  ## let ruff repair and format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(VENV)/.core  ## the program alone, in .venv

dev: $(VENV)/.tracker  ## the program, its tests and tools, in .venv

fonts:  ## the larger sound fonts that `liveband data render` plays
	@.ci/apt-install $(FONT_PACKAGES)

hosts:
	@.ci/apt-install $(HOST_PACKAGES) || echo "without these packages, tests of the plug-in in those hosts skip"
	@.ci/apt-install libclang-rt-19-dev || echo "without this package, the test with RealtimeSanitizer skips"

hooks: dev  ## run the checks at every commit
	$(BIN)/pre-commit install

clean:  ## remove .venv, caches and what the demo wrote
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache liveband_demo dist build

# Stamps: a second run installs nothing unless a file named here has changed.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || .ci/apt-install python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing liveband into $(VENV) (once, some minutes)"
	@$(PIP) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	@.ci/apt-install $(TEST_PACKAGES)
	@echo "installing tests and tools into $(VENV)"
	@$(PIP) -e ".[dev]"
	@touch $@

# madmom's source package builds on today's Python only without isolation and with Cython 3. Of musicnn only the weights are
# used, not the old TensorFlow it asks for. Both are tools for scores: optional.
$(VENV)/.tracker: $(VENV)/.dev
	@$(BIN)/python -c 'from importlib.metadata import version; version("madmom")' 2>/dev/null \
	 || { echo "building the beat tracker used by liveband evaluate" \
	      && $(PIP) cython setuptools wheel && $(PIP) --no-build-isolation --no-deps madmom; } \
	 || echo "the beat tracker could not be built: liveband evaluate will say so"
	@$(PIP) --no-deps musicnn || echo "musicnn could not be installed: liveband evaluate will say so"
	@touch $@
