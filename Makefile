# make install  into .venv: what the main job needs (some minutes)
# make demo   install, and show texts and pictures at work (minutes on 2 cores)
# make check  format, lint, types and the fast tests
# make test   the whole test suite, a process for each core
# make soak   the long halves of the tests; writes benchmarks/results/{crash,fuzz,fleet,soak,demo}.json (half an hour on 2 cores)
# make release-check  as make check-static and make test; fails where a soak is older than what it covers
# make site   the documents as a site, into build/site; make site-serve to read it while writing
# make notebooks  run docs/notebooks again, and keep what they print and draw
# make sbom   what a device and a workshop install, with licences: sbom/*.json (minutes, after a change of dependencies)
# make axe    fetch axe-core with npm into build/, for the tests that look for barriers in pages
# make bench  the benchmarks that write benchmarks/results/*.json (an hour; needs ../shared/data or CFEDGE_DATA)

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder
INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# Nothing but what is listed, of the listed bytes.
LISTED := $(INSTALL) --require-hashes --no-deps --requirement

.PHONY: install demo test check check-static soak release-check axe bench lock site site-serve notebooks sbom sbom-check clean

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
	$(BIN)/python benchmarks/demo.py

axe:
	$(PYTHON) tests/browser/axe.py

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
	$(BIN)/python benchmarks/images.py --jobs 2
	$(BIN)/python benchmarks/image_latency.py
	$(BIN)/python benchmarks/sync.py
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/readme.py

# The first list is of torch's CPU build: where pip finds none, the index's build for Linux brings gigabytes of CUDA.
$(VENV)/.demo: pyproject.toml $(wildcard requirements/*.txt)
	@echo "installing into $(VENV) (some minutes; torch's CPU build, optimum, onnxruntime, the weights)"
	$(PYTHON) -m venv $(VENV)
	$(LISTED) requirements/torch-cpu.txt 2>/dev/null || $(LISTED) requirements/torch.txt
	$(LISTED) requirements/demo.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.demo constraints.txt
	$(INSTALL) --constraint constraints.txt --editable '.[dev]'
	touch $@

# The variable keeps an advertisement for a successor out of the output.
site: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

notebooks: $(VENV)/.dev
	$(BIN)/python docs/notebooks/make.py

site-serve: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

# After a change of pyproject.toml's dependencies or of constraints.txt; needs uv.
lock:
	$(PYTHON) requirements/lock.py

# What a device installs, and this environment, with versions and licences, as CycloneDX JSON: built, and held against
# what is committed (sbom-check), or committed anew (sbom).
SBOM := build/sbom
LIST := $(SBOM)/tool/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file
.PHONY: sbom-built
sbom-built: $(VENV)/.dev
	rm -rf $(SBOM)
	$(PYTHON) -m venv $(SBOM)/tool
	$(SBOM)/tool/bin/python -m pip --disable-pip-version-check install --quiet cyclonedx-bom==7.5.0
	$(PYTHON) -m venv --without-pip $(SBOM)/device
	$(SBOM)/tool/bin/python -m pip --disable-pip-version-check --python $(SBOM)/device/bin/python install --quiet --constraint constraints.txt '.[text,image,sync,serve]'
	$(LIST) $(SBOM)/device.json $(SBOM)/device/bin/python
	$(LIST) $(SBOM)/workshop.json $(BIN)/python

sbom: sbom-built
	cp $(SBOM)/device.json $(SBOM)/workshop.json sbom/

sbom-check: sbom-built
	$(BIN)/python sbom/check.py $(SBOM)

clean:
	rm -rf $(VENV) demo-out build dist
