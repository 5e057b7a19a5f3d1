# `make demo` and `make test` need git, make, Python >= 3.11 and g++; on their first call they make .venv and install the
# versions of requirements/ there: first what commands need, then what tests and checks need, too.
PYTHON ?=
PROFILE ?= quick
TRAINER ?= cpu
JOBS ?=

BIN := .venv/bin
INSTALLED := .venv/.installed
EXTRAS := .venv/.extras
PACKAGE := build/typing/composed
PYTEST := $(BIN)/python -m pytest
# More workers than cores, since many tests wait; who is done takes from the others, so that none is alone at the end.
PARALLEL = -n $$(($$(nproc) + 2)) --dist worksteal
ABLATIONS := $(basename $(notdir $(wildcard conf/table/ablation-*.yaml)))
empty :=
comma := ,
list = $(subst $(empty) $(empty),$(comma),$(strip $(1)))

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 26
	@for name in $(ABLATIONS); do sed -n "1s/^# */$$name\t/p" conf/table/$$name.yaml; done | expand -t 26

setup: $(INSTALLED)  ## make .venv and install what the commands need, in locked versions

setup-all: $(EXTRAS)  ## also what tests, checks, docs, sweeps and the optional parts need (hf, fonts, slurm, tensorboard)

update:  ## write the lock files in requirements/ anew: the newest that the ranges of setup.cfg allow
	PYTHON="$(PYTHON)" scripts/update_lock.sh

demo: $(INSTALLED)  ## the main job in minutes: train, judge, print the table; PROFILE=smoke in seconds
	$(BIN)/composed-train -m hydra/launcher=composed hydra.launcher.jobs=2 hydra.launcher.follow=true \
		task=sanstype profile=$(PROFILE) finetuning=baseline,standard,composed replicate=0 runs=runs/demo
	$(BIN)/composed-report runs/demo --out runs/demo/report --programs 3 --wandb offline
	@echo "Open runs/demo/report/report.html"

test: $(EXTRAS)  ## the tests that take minutes together; the others are marked `slow`, each with its reason
	$(PYTEST) $(PARALLEL) -m "not slow"

test-all: $(EXTRAS)  ## every test
	$(PYTEST) $(PARALLEL)

test-faults: $(EXTRAS)  ## killed, full, damaged, hostile: each fault and its seed; COMPOSED_FAULT_SEED=N repeats one
	$(PYTEST) tests/faults -vv -s -p no:xdist

test-newest: $(INSTALLED)  ## the tests with the newest that the ranges of setup.cfg allow, in build/newest
	test -x build/newest/bin/python || $(BIN)/python -m venv build/newest
	build/newest/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager --editable ".[dev]"
	build/newest/bin/python -m pytest $(PARALLEL) -m "not slow"

lint: $(EXTRAS)  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(EXTRAS) | $(PACKAGE)  ## mypy
	$(BIN)/mypy

fairseq: $(INSTALLED)  ## fairseq 0.12.2 into .venv, for model=fairseq_transformer; compiles C++ for some minutes
	scripts/install_fairseq.sh .venv

docs: $(EXTRAS)  ## docs/ as a site in build/site, the configuration reference written anew; warnings are errors
	$(BIN)/python scripts/config_reference.py
	$(BIN)/mkdocs build --strict

# What is behind a table: conf/table/NAME.yaml. REPLICATES and MODES replace its own; MODES=all is a table of its own.
ifdef SEEDS
$(error SEEDS="$(SEEDS)": write REPLICATES="$(SEEDS)", which moves data and denoiser with the seed; for seeds alone, composed-table NAME seed=$(call list,$(SEEDS)))
endif
TABLE = $(BIN)/composed-table $(if $(JOBS),--jobs $(JOBS)) $(if $(RETRY),--retry-failed) $(if $(DRY),--dry-run)
SETTINGS = profile=$(PROFILE) trainer=$(TRAINER) $(if $(REPLICATES),replicate=$(call list,$(REPLICATES))) \
	$(if $(filter-out all,$(MODES)),finetuning=$(call list,$(MODES)))

tables: table-sanstype table-python table-spoc table-fonts table-molecules table-sql figure-staircase $(ABLATIONS)  ## all of these, which takes days

table-sanstype: $(INSTALLED)  ## PROFILE=quick REPLICATES="0 1 2" MODES="..." or all, TRAINER=cpu, JOBS=2 at a time; RETRY=1: failed runs too; DRY=1: only says what is to do
	$(TABLE) sanstype$(if $(filter all,$(MODES)),-modes) $(SETTINGS)

table-python: $(INSTALLED)  ## the same examples in Python: the same
	$(TABLE) python $(SETTINGS)

table-spoc: $(INSTALLED)  ## pseudocode of people: the same; SPOC=FOLDER of the SPoC release, data/spoc by default
	$(TABLE) spoc $(SETTINGS) $(if $(SPOC),task.folder=$(SPOC))

table-fonts: $(if $(FONTS_FACES),$(EXTRAS),$(INSTALLED))  ## glyphs: the same; FONTS_FACES=FILE takes fonts.hdf5
	$(TABLE) fonts $(SETTINGS) $(FACES)
	$(if $(DRY),,$(BIN)/python scripts/picture_fonts.py runs/fonts-$(PROFILE) results/fonts-$(PROFILE))

table-molecules: $(EXTRAS)  ## names of molecules to SMILES: the same
	$(TABLE) molecules $(SETTINGS)

table-sql: $(INSTALLED)  ## questions to SQL: the same
	$(TABLE) sql $(SETTINGS)

figure-staircase: $(INSTALLED)  ## the theory in a picture: REPLICATES="0 1 2", about two minutes
	$(TABLE) staircase --no-report $(if $(REPLICATES),replicate=$(call list,$(REPLICATES)))
	$(if $(DRY),,$(BIN)/python scripts/figure_staircase.py runs/staircase-quick results/staircase 'make figure-staircase$(if $(REPLICATES), REPLICATES="$(REPLICATES)")')

FACES = $(if $(FONTS_FACES),task.faces=$(FONTS_FACES))
$(filter ablation-fonts-%,$(ABLATIONS)): SETTINGS += $(FACES)
$(filter ablation-fonts-%,$(ABLATIONS)): $(if $(FONTS_FACES),$(EXTRAS))
ifeq ($(PROFILE),paper)
ablation-fonts-unlabeled: SETTINGS += task.sizes.unlabeled=100,5000,56323
endif
$(ABLATIONS): $(INSTALLED)
	$(TABLE) $@ $(SETTINGS)

bench: $(EXTRAS)  ## speed of all parts, the engine beside its peers, at length; scripts/install_fairseq.sh installs them
	$(BIN)/python benchmarks/race.py --rounds 5
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/profile_steps.py
	$(BIN)/python benchmarks/compiled.py
	$(BIN)/python benchmarks/beams.py
	$(BIN)/python benchmarks/decoding_race.py
	$(BIN)/python benchmarks/backends.py
	$(BIN)/python benchmarks/fonts.py
	$(BIN)/python benchmarks/judge.py

bench-quick: $(EXTRAS)  ## the engine and its peers in minutes
	$(BIN)/python benchmarks/race.py --rounds 1 --parts 1 --out build/race

bench-estimators: $(EXTRAS)  ## the estimators' gradients
	$(BIN)/python benchmarks/estimators.py

bench-fonts: $(EXTRAS)  ## images per second: drawing, noise, training steps
	$(BIN)/python benchmarks/fonts.py

bench-spoc: $(EXTRAS)  ## reading, tokenising and corrupting the SPoC release in SPOC=FOLDER
	$(BIN)/python benchmarks/spoc.py $(or $(SPOC),data/spoc)

bench-scaling: $(EXTRAS)  ## updates a second in one process and in two; wants two idle cores
	$(BIN)/python benchmarks/scaling.py

bench-judge: $(EXTRAS)  ## the judge against one g++ per program; SPOC=FOLDER of the SPoC release adds its programs
	$(BIN)/python benchmarks/judge.py $(if $(SPOC),--spoc $(SPOC))
	$(BIN)/python benchmarks/judge_others.py

clean:  ## remove .venv and everything that tools cache; runs, store, data and results stay
	rm -rf .venv build *.egg-info .pytest_cache .hypothesis .ruff_cache .mypy_cache
	find src conf scripts tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements/run.txt requirements/torch.txt setup.cfg pyproject.toml | machine $(PACKAGE)
	@PYTHON="$(PYTHON)" scripts/install.sh run
	@touch $@

$(EXTRAS): $(INSTALLED) requirements/dev.txt
	@PYTHON="$(PYTHON)" scripts/install.sh dev
	@touch $@

# The package under its name, where mypy and pyright look for it, and what lies elsewhere and belongs to it.
$(PACKAGE):
	@mkdir -p build/typing/more/composed build/typing/more/hydra_plugins
	@ln -sfn ../../../../conf build/typing/more/composed/conf
	@ln -sfn ../../../../src/sweeps/launcher build/typing/more/hydra_plugins/composed
	@ln -sfn ../../src $@

machine:
	@PYTHON="$(PYTHON)" scripts/install.sh machine

.PHONY: help setup setup-all update demo test test-all test-faults test-newest lint types fairseq docs tables table-sanstype table-python table-spoc table-fonts table-molecules table-sql figure-staircase $(ABLATIONS) \
	bench bench-quick bench-estimators bench-fonts bench-spoc bench-scaling bench-judge clean machine
