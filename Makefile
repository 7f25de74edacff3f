# Each target works on a fresh machine with python3 and make; all else goes into .venv.
# Not PYTHON: see below.
BASE_PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# stestr runs the tests by it, unquoted; its default has the clone's path, where a space may be.
export PYTHON := $(BIN)/python
READY := $(VENV)/ready
REQUIREMENTS := requirements.txt test-requirements.txt doc/requirements.txt
# What failed is said again at the end, after the output of all that passed.
TELL := { $(BIN)/stestr last --no-subunit-trace | tail -n 40; $(BIN)/stestr failing --list; exit 1; }

# Those that test share .stestr, and all share the virtual environment.
.NOTPARALLEL:
.PHONY: demo test unit functional test-large style bench docs docs-output clean

demo: $(READY)  ## an image goes in and out of a real Keystone, Glance and Swift on loopback
	$(BIN)/python -m devcloud run -- $(BIN)/python -m devcloud.demo

test: style unit functional docs

unit: $(READY)
	$(BIN)/stestr run || $(TELL)
	$(BIN)/stestr --test-path ./devcloud/tests/unit run || $(TELL)

functional: $(READY)
	$(BIN)/python -m devcloud run --segment-bytes 1000000 -- \
		$(BIN)/stestr --test-path ./devcloud/tests/functional run || $(TELL)
	$(BIN)/python -m devcloud run --segment-bytes 2097152 -- \
		$(BIN)/stestr --test-path ./tests/functional run || $(TELL)

docs-output: $(READY)  ## replace the output in the documentation that the commands no longer print
	UPDATE_DOCS=1 $(BIN)/python -m devcloud run -- \
		$(BIN)/stestr --test-path ./tests/functional run --serial test_documented_output

test-large: $(READY)  ## 6 GiB up and down; takes a minute or two, and 7 GB of disk
	$(BIN)/python -m devcloud run --regions DFW -- \
		$(BIN)/stestr --test-path ./tests/large run || $(TELL)

style: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/flake8 rackspace_imagetasks tests devcloud benchmarks
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m benchmarks

docs: $(READY)
	$(BIN)/sphinx-build -W -b html doc/source doc/build/html
	$(BIN)/sphinx-build -W -b html releasenotes/source releasenotes/build/html

$(READY): constraints.txt setup.cfg $(REQUIREMENTS)
	$(BASE_PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt \
		$(REQUIREMENTS:%=-r %) -e '.[rackspace,devcloud]'
	touch $@

clean:
	rm -rf $(VENV) build dist doc/build releasenotes/build .stestr .hypothesis
