# Two commands for a new user: `make repro` and `make test`. Both set up what is missing first.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= 2

export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup repro lint type unit functional test format clean

setup: $(STAMP)

# The stamp is written last: an interrupted installation starts again, a finished one is skipped.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; found $$($(PYTHON) --version). Use: make PYTHON=python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned dependencies into $(VENV) (once, about two minutes)"
	@$(BIN)/python -m pip install --quiet "pip==26.3"
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt "torch==2.13.0"
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $(STAMP)

repro: setup
	@dvc repro
	@python -m pipeline summary

lint: setup
	ruff check .
	ruff format --check .

type: setup
	mypy

unit: setup
	pytest tests/unit -n $(JOBS)

functional: setup
	pytest tests/functional -n $(JOBS)

test: lint type
	pytest -n $(JOBS)

format: setup
	ruff check --fix .
	ruff format .

clean:
	rm -rf outputs/dataset outputs/model outputs/evaluation outputs/export
