# A newcomer types `make demo` and `make test`. Everything else is for those who change the code.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PEERS := $(VENV)/peers/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-slow long mutants lint bench docs clean

$(BIN)/ptheta: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	$(PIP) --editable .
	touch $(BIN)/ptheta

$(VENV)/dev: $(BIN)/ptheta
	$(PIP) --editable '.[dev]'
	$(BIN)/python -c "import torch; assert torch.__version__.startswith('2.13.0'), torch.__version__"
	touch $(VENV)/dev

# pydoclint needs a fork of docstring_parser under the same name, which would break the command line: a folder of its own.
$(VENV)/lint: $(VENV)/dev
	$(PYTHON) -m venv $(VENV)/pydoclint
	$(VENV)/pydoclint/bin/pip install --quiet --disable-pip-version-check pydoclint
	touch $(VENV)/lint

# Some of every family; without --models all that suit the data are compared, which takes three times as long.
DEMO := uniform independent markov ar-table chow-liu bernoulli-mixture gaussian-mixture kde \
	nade made pixelcnn spline-flow vae ddpm gan

demo: $(BIN)/ptheta
	$(BIN)/ptheta compare digits --models $(DEMO) --minutes 0.4 --out runs/demo --resume

# One process per core, with one thread each.
test test-slow: export OMP_NUM_THREADS = 1
test: $(VENV)/dev
	$(BIN)/pytest --numprocesses auto

test-slow: $(VENV)/dev
	$(BIN)/pytest -m 'slow or long' --numprocesses auto

# Which tests are too long for `make test`: measured, on a quiet machine, and written into tests/long.txt.
long: $(VENV)/dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -m 'not slow' --numprocesses auto --write-long

# Faults seeded in the library one by one: does a test notice each? The first time every test is traced, which takes minutes.
mutants: $(VENV)/dev
	$(BIN)/python -m tests.mutants --out benchmarks/results/mutants.json

lint: $(VENV)/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(VENV)/pydoclint/bin/pydoclint --quiet --config pyproject.toml src

# The libraries to compare with, in a folder of their own. Some ask for more than is used of them, such as torchvision.
$(VENV)/peers/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)/peers
	$(PEERS)/pip install --quiet --constraint constraints.txt torch==2.13.0
	$(PEERS)/pip install --quiet --constraint constraints.txt --editable '.[peers]'
	$(PEERS)/pip install --quiet --constraint constraints.txt sdv==2.0.0
	$(PEERS)/pip install --quiet --no-deps pythae==0.1.2 cloudpickle torchcfm==1.0.7
	touch $(VENV)/peers/ready

# Some eighty minutes of one core, fifty of them on tables.
bench: export OMP_NUM_THREADS = 1
bench: $(VENV)/peers/ready
	$(PEERS)/python benchmarks/nade.py
	$(PEERS)/python benchmarks/made.py
	$(PEERS)/python benchmarks/pixelcnn.py
	$(PEERS)/python benchmarks/pixelrnn.py
	$(PEERS)/python benchmarks/flows.py
	$(PEERS)/python benchmarks/rbm.py
	$(PEERS)/python benchmarks/latent.py
	$(PEERS)/python benchmarks/coders.py
	$(PEERS)/python benchmarks/diffusion.py
	$(PEERS)/python benchmarks/steps.py
	$(PEERS)/python benchmarks/counting.py
	$(PEERS)/python benchmarks/neighbours.py
	$(PEERS)/python benchmarks/tables.py

docs: $(VENV)/dev
	$(BIN)/python docs/printers --write

clean:
	rm -rf $(VENV) runs build dist
