# Every command for users. `make` alone lists them.

PYTHON ?= python3
STUDY ?= paper
TIMEOUT ?=
TRIALS ?= $(if $(TIMEOUT),,50)
# In the environment, because other users of the machine can see what is on a command line.
export STORAGE ?= sqlite:///studies/results/studies.db
PORT ?= 8080
SEEDS ?= 5
NAME ?=
SEED ?=
DATA ?=
TRIAL ?=
RULE ?=
WORKERS ?= auto
ENGINE ?= auto
SLOTS ?=
THREADS ?=
LAUNCHER ?=
STOP_WHEN ?=
FROM ?=
CPUS_PER_WORKER ?= 1
GPUS_PER_WORKER ?= 0

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
BIN := .venv/bin
GPU := $(if $(findstring GPU,$(shell nvidia-smi -L 2>/dev/null)),gpu)
comma := ,
study_name = $(or $(NAME),$(patsubst %.toml,%,$(notdir $(STUDY))))
study_options = --study "$(STUDY)" $(if $(NAME),--name "$(NAME)")

.DEFAULT_GOAL := help
.PHONY: help setup data search status dashboard export evaluate report paper bench test test-all test-newest lint lock clean

help:  ## list the targets and their variables
	@echo "make TARGET [VARIABLE=value ...]"
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-13s %s\n", $$1, $$2 }'
	@echo
	@echo "STUDY: a preset, by its name in studies/ or as a .toml file; NAME: another name for its study"
	@echo "TRIALS: how many trials shall have finished; where the preset has [search], as those in studies/ do, a trial"
	@echo "  is a run: of a new configuration, of one of the better ones for longer, or of one of the best with another seed"
	@echo "STORAGE: the database, any SQLAlchemy URL, by default sqlite:///studies/results/studies.db;"
	@echo "  in the environment a password in it is hidden from other users of the machine"
	@echo "DATA: a directory with Fashion-MNIST as IDX or CSV files; without it the data is downloaded"
	@echo "WORKERS: processes that search at once; auto takes one for each core where the preset has [search] and"
	@echo "  there is no GPU, else one; THREADS: TensorFlow's threads in each, by default the cores are shared out"
	@echo "ENGINE: tensorflow, or population (JAX), which trains SLOTS trials at once, by default as many as speed it up;"
	@echo "  auto takes the population where JAX sees a GPU"
	@echo "TIMEOUT=1h: end after so much time (in seconds, or as 60m or 1h), with any number of trials unless TRIALS is"
	@echo "  given, too; with [search] the best are raced in the last part of it"
	@echo "STOP_WHEN=0.001: stop early when the next trials are expected to improve the best accuracy by less"
	@echo "FROM: another study in STORAGE, near whose best configurations a new one begins, where the preset has [search]"
	@echo "RULE: of a search in budgets, best exports the most accurate, one_standard_error the smallest that is nearly"
	@echo "  as accurate; by default what the preset says"
	@echo "LAUNCHER: ray runs the workers on the cluster of RAY_ADDRESS, with CPUS_PER_WORKER=1 and GPUS_PER_WORKER=0 each"
	@echo "PYTHON: the interpreter that .venv is made with, 3.11 to 3.13"

setup: .venv/installed  ## install everything into .venv (the other targets do so by themselves)

# A stamp is touched last, so that an interrupted installation is done again.
.venv/installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "error: $(PYTHON) is not Python 3.11, 3.12 or 3.13; name one that is with PYTHON=" >&2; exit 2; }
	@echo "setting up .venv: TensorFlow and what it needs, a minute or two"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --disable-pip-version-check -c requirements.lock -e '.$(if $(GPU),[$(GPU)])' \
	  | sed -u '/already satisfied/d; /^Looking in/d'
	@touch $@

.venv/installed-dev: .venv/installed
	@echo "adding the tools that test and check"
	@$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev$(if $(GPU),$(comma)$(GPU))]'
	@touch $@

data: .venv/installed  ## fetch Fashion-MNIST and check it (DATA=)
	@$(BIN)/python -m fmnist_model data $(if $(DATA),--data "$(DATA)")

search: .venv/installed  ## search until TRIALS=50 trials have finished; run again to continue (TIMEOUT= WORKERS=auto STOP_WHEN= STUDY= NAME= SEED= FROM= STORAGE= DATA=)
	@$(BIN)/python -m search run $(study_options) $(if $(TRIALS),--trials $(TRIALS)) --workers $(WORKERS) --engine $(ENGINE) \
	  $(if $(LAUNCHER),--launcher $(LAUNCHER) --cpus $(CPUS_PER_WORKER) --gpus $(GPUS_PER_WORKER)) \
	  $(if $(TIMEOUT),--timeout "$(TIMEOUT)") $(if $(STOP_WHEN),--stop-when "$(STOP_WHEN)") $(if $(FROM),--from "$(FROM)") $(if $(SLOTS),--slots $(SLOTS)) $(if $(THREADS),--threads $(THREADS)) $(if $(SEED),--seed $(SEED)) $(if $(DATA),--data "$(DATA)")

status: .venv/installed  ## say how far a study is (STUDY= NAME= STORAGE=)
	@$(BIN)/python -m search status $(study_options)

dashboard: .venv/installed  ## serve optuna-dashboard on 127.0.0.1 (PORT=8080 STORAGE=)
	@$(BIN)/python -m studies dashboard --port $(PORT)

export: .venv/installed  ## write the best configuration, or that of TRIAL=n, to studies/results/<study>/best.toml (RULE=)
	@$(BIN)/python -m search export $(study_options) $(if $(TRIAL),--trial $(TRIAL)) $(if $(RULE),--rule $(RULE))

evaluate: .venv/installed  ## retrain best.toml with SEEDS=5 seeds and open the test set once
	@$(BIN)/python -m fmnist_model evaluate "studies/results/$(study_name)/best.toml" --seeds $(SEEDS) $(if $(DATA),--data "$(DATA)")

report: .venv/installed  ## draw a study as one page, studies/results/<study>/report.html (STUDY= NAME= STORAGE=)
	@$(BIN)/python -m studies report $(study_options)

paper: .venv/installed  ## repeat the paper's comparison with SEEDS=10 seeds and draw its figures; run again to continue
	@$(BIN)/python -m studies paper $(if $(filter command line environment,$(origin SEEDS)),--seeds $(SEEDS)) $(if $(DATA),--data "$(DATA)")

bench: .venv/installed  ## measure speed, the cost of a trial and end-to-end searches, compared with other tools, at a small setting
	@$(BIN)/python -m benchmarks.training --rounds 3 --limit 4000
	@$(BIN)/python -m benchmarks.trial_overhead --trials 20
	@$(BIN)/python -m benchmarks.startup --repeats 2
	@$(BIN)/python -m benchmarks.search --images 1000 --trials 4 --epochs 3 --seeds 1
	@for table in $(wildcard benchmarks/curves/*.jsonl.gz); do \
	  $(BIN)/python -m benchmarks.replay_search --curves $$table --seeds 4; done

test: .venv/installed-dev lint  ## check style and types, then run the quick tests
	@$(BIN)/pytest -m "not slow"

test-all: test  ## the same, and then the slow tests: kills, clocks, Ray, browsers, long trainings
	@$(BIN)/pytest -m slow

# Bounds from above are taken out; what runs is the source tree, with whatever is the newest release.
test-newest: .venv/installed-dev  ## run the quick tests with the newest release of every direct dependency
	@rm -rf .venv-newest
	@$(BIN)/uv venv --quiet --python "$(PYTHON)" .venv-newest
	@sed 's/,\?<[0-9.]*"/"/' pyproject.toml > .venv-newest/pyproject.toml
	@$(BIN)/uv pip install --quiet --python .venv-newest -r .venv-newest/pyproject.toml --extra dev --extra jax
	@$(BIN)/uv pip install --quiet --python .venv-newest --no-deps -e .
	@$(BIN)/uv pip freeze --python .venv-newest --exclude-editable
	@.venv-newest/bin/python -m pytest -m "not slow"

lint: .venv/installed-dev  ## ruff and mypy
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

# The extras peers and dehb are installed into environments of their own.
lock: .venv/installed-dev  ## renew requirements.lock from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade \
	  $(addprefix --extra ,gpu postgres ray gp jax bench dev) \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml -o requirements.lock

clean:  ## remove .venv and caches; data and results stay
	rm -rf .venv .venv-newest .mypy_cache .ruff_cache .pytest_cache data/cache
