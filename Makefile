# `make demo` and `make test` need git, make, Python >= 3.11 and g++; they make .venv and install on their first call.
PYTHON ?= python3
PROFILE ?= quick
SEEDS ?= 0 1 2 3 4
MODES ?= baseline standard composed
ALL_MODES := $(filter-out composed_pathwise,$(basename $(notdir $(wildcard conf/finetuning/*.yaml))))
STAIRCASE_SEEDS ?= 0 1 2
TRAINER ?= cpu

TORCH := torch>=2.11,<2.14
BIN := .venv/bin
INSTALLED := .venv/.installed
TABLE_NAME = sanstype-$(PROFILE)$(if $(filter all,$(MODES)),-modes)
TABLE_RUNS = runs/table-$(TABLE_NAME)
TABLE = results/$(TABLE_NAME)
empty :=
comma := ,
list = $(subst $(empty) $(empty),$(comma),$(strip $(1)))

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22
	@printf '%s\n' $(ABLATIONS) | sed 's/$$/\tone ablation of SansType: PROFILE, SEEDS, TRAINER as for the table/' | expand -t 22

setup: $(INSTALLED)  ## make .venv and install, with what tests and checks need

demo: $(INSTALLED)  ## the main job in minutes: train, judge, print the table
	$(BIN)/composed-train -m task=sanstype profile=quick finetuning=baseline,standard,composed seed=0 runs=runs/demo
	$(BIN)/composed-report runs/demo --out runs/demo/report --programs 3
	@echo "Open runs/demo/report/table.md and runs/demo/report/table.png"

test: $(INSTALLED)  ## every test but the long ones of the judge
	$(BIN)/python -m pytest -n auto -m "not slow_judge"

test-all: $(INSTALLED)  ## every test
	$(BIN)/python -m pytest -n auto

lint: $(INSTALLED)  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)  ## mypy; the link shows it the package under its name
	mkdir -p build/typing
	ln -sfn ../../src build/typing/composed
	$(BIN)/mypy

table-sanstype: $(INSTALLED)  ## the table: PROFILE=quick SEEDS="0 1 2 3 4" MODES="..." or all, TRAINER=cpu; call again to go on
	$(BIN)/composed-train -m task=sanstype profile=$(PROFILE) trainer=$(TRAINER) \
		finetuning=$(call list,$(MODES:all=$(ALL_MODES))) seed=$(call list,$(SEEDS)) runs=$(TABLE_RUNS)
	$(BIN)/composed-report $(TABLE_RUNS) --out $(TABLE)
	$(BIN)/python scripts/describe_table.py $(TABLE_RUNS) $(TABLE) \
		'make table-sanstype PROFILE=$(PROFILE) SEEDS="$(SEEDS)" MODES="$(MODES)" TRAINER=$(TRAINER)'

ABLATIONS := ablation-labels ablation-lambda ablation-noise ablation-layers ablation-estimators
# An ablation: the modes it compares, what it sweeps, and the keys that tell its rows apart.
ablation-labels: MODES := standard composed
ablation-labels: SWEEP := task.sizes.train=500,1000,2000 task.sizes.unlabeled=5000,10000,20000
ablation-labels: BY := task.sizes.train task.sizes.unlabeled
ablation-lambda: MODES := composed
ablation-lambda: SWEEP := finetuning.base_weight=0.0,0.1,0.3,1.0,3.0
ablation-lambda: BY := finetuning.base_weight
ablation-noise: MODES := standard composed
ablation-noise: SWEEP := noise=template,random_deletion,masking,infilling,mixture
ablation-noise: BY := noise
ablation-layers: MODES := baseline standard composed
ablation-layers: SWEEP := finetuning.depth=1,2
ablation-layers: BY := finetuning.depth
ablation-estimators: MODES := composed
ablation-estimators: SWEEP := estimator=reinforce,self_critical,rloo,vimco,posterior,straight_through,gumbel,expected_embedding \
	finetuning.composed_weight=0.1,1.0
ablation-estimators: BY := estimator finetuning.composed_weight

$(ABLATIONS): $(INSTALLED)
	$(BIN)/composed-train -m task=sanstype profile=$(PROFILE) trainer=$(TRAINER) finetuning=$(call list,$(MODES)) \
		$(SWEEP) seed=$(call list,$(SEEDS)) runs=runs/$@-$(PROFILE)
	$(BIN)/composed-report runs/$@-$(PROFILE) $(addprefix --by ,$(BY)) --out results/$@-$(PROFILE)

FONTS_MODES ?= baseline composed_pathwise
FONTS_FACES ?= bundled
FONTS = $(BIN)/composed-train -m task=fonts profile=$(PROFILE) trainer=$(TRAINER) task.faces=$(FONTS_FACES) \
	seed=$(call list,$(SEEDS))
table-fonts: $(INSTALLED)  ## glyphs: PROFILE=quick SEEDS="0 1 2"; FONTS_FACES=FILE takes fonts.hdf5; call again to go on
	$(FONTS) finetuning=$(call list,$(FONTS_MODES)) runs=runs/$@-$(PROFILE)
	for mode in baseline composed_pathwise; do \
		$(FONTS) finetuning=$$mode finetuning.name=$$mode-unregularised optim.l2=0.0 model.predictor.dropout=0.0 \
			runs=runs/$@-$(PROFILE) || exit; \
	done
	$(BIN)/composed-report runs/$@-$(PROFILE) --out results/fonts-$(PROFILE)
	$(BIN)/python scripts/picture_fonts.py runs/$@-$(PROFILE) results/fonts-$(PROFILE)
	$(BIN)/python scripts/describe_table.py runs/$@-$(PROFILE) results/fonts-$(PROFILE) \
		'make table-fonts PROFILE=$(PROFILE) SEEDS="$(SEEDS)" TRAINER=$(TRAINER) FONTS_FACES=$(FONTS_FACES)'

FONTS_ABLATIONS := $(addprefix ablation-fonts-,blur l2 dropout labels unlabeled noise)
ablation-fonts-blur: SWEEP := noise.radius=0.1,1.0,2.0,4.0,8.0
ablation-fonts-blur: BY := noise.radius
ablation-fonts-l2: SWEEP := optim.l2=0.0,1e-6,1e-5,1e-4,1e-3,1e-2,1e-1
ablation-fonts-l2: BY := optim.l2
ablation-fonts-dropout: SWEEP := optim.l2=0.0 model.predictor.dropout=0.0,0.1,0.2,0.3,0.4,0.5
ablation-fonts-dropout: BY := model.predictor.dropout
ablation-fonts-labels: SWEEP := task.sizes.train=500,1500,2500
ablation-fonts-labels: BY := task.sizes.train
ablation-fonts-unlabeled: SWEEP := task.sizes.unlabeled=$(if $(filter paper,$(PROFILE)),100$(comma)5000$(comma)56323,20$(comma)100$(comma)880)
ablation-fonts-unlabeled: BY := task.sizes.unlabeled
ablation-fonts-noise: SWEEP := noise=blur,contrast,emboss,chain
ablation-fonts-noise: BY := noise

$(FONTS_ABLATIONS): $(INSTALLED)
	$(FONTS) finetuning=$(call list,$(FONTS_MODES)) $(SWEEP) runs=runs/$@-$(PROFILE)
	$(BIN)/composed-report runs/$@-$(PROFILE) $(addprefix --by ,$(BY)) --out results/$@-$(PROFILE)

figure-staircase: $(INSTALLED)  ## the theory in a picture: STAIRCASE_SEEDS="0 1 2", about two minutes
	$(BIN)/composed-train -m task=staircase logger=csv finetuning=baseline,composed_pathwise \
		seed=$(call list,$(STAIRCASE_SEEDS)) runs=runs/figure-staircase
	$(BIN)/python scripts/figure_staircase.py runs/figure-staircase results/staircase \
		'make figure-staircase STAIRCASE_SEEDS="$(STAIRCASE_SEEDS)"'

bench: $(INSTALLED)  ## speed of the engine against its peers, at length; scripts/install_fairseq.sh installs them
	$(BIN)/python benchmarks/race.py --rounds 15 --parts 4

bench-quick: $(INSTALLED)  ## the same in minutes
	$(BIN)/python benchmarks/race.py --rounds 2 --parts 1 --out build/race

bench-estimators: $(INSTALLED)  ## the estimators' gradients
	$(BIN)/python benchmarks/estimators.py

bench-fonts: $(INSTALLED)  ## images per second: drawing, noise, training steps
	$(BIN)/python benchmarks/fonts.py

bench-judge: $(INSTALLED)  ## the judge against one g++ per program; SPOC=FOLDER of the SPoC release adds its programs
	$(BIN)/python benchmarks/judge.py $(if $(SPOC),--spoc $(SPOC))

clean:  ## remove .venv and everything that tools cache; runs, store, data and results stay
	rm -rf .venv build *.egg-info .pytest_cache .hypothesis .ruff_cache .mypy_cache
	find src conf scripts tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): setup.cfg pyproject.toml | machine
	@echo "installing into .venv; the first time this takes minutes"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

# Names everything that is missing, before any work.
machine:
	@missing=0; \
	need() { echo "$$1" >&2; missing=1; }; \
	if ! test -x $(BIN)/python; then \
		if ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			need "Python 3.11 or newer is needed, and $(PYTHON) is not: apt-get install python3.11 python3.11-venv, then make PYTHON=python3.11"; \
		elif ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
			need "Python's venv is needed: apt-get install python3-venv"; \
		fi; \
	fi; \
	command -v g++ >/dev/null || need "A C++ compiler is needed: apt-get install g++ (Fedora: dnf install gcc-c++)"; \
	exit $$missing

.PHONY: help setup demo test test-all lint types table-sanstype table-fonts figure-staircase $(ABLATIONS) $(FONTS_ABLATIONS) \
	bench bench-quick bench-estimators bench-fonts bench-judge clean machine
