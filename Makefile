# Each target works on a new machine that has python3 and make; everything else goes into .venv.
# Not named PYTHON, which stestr reads; see below.
BASE_PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# stestr runs the tests with it and does not quote it; its default is an absolute path, in which
# there may be a space.
export PYTHON := $(BIN)/python
READY := $(VENV)/ready
REQUIREMENTS := requirements.txt test-requirements.txt doc/requirements.txt
# Repeat the failures at the end, after the output of all tests.
SHOW_FAILURES := { $(BIN)/stestr last --no-subunit-trace | tail -n 40; \
	$(BIN)/stestr failing --list; exit 1; }

# The test runs share .stestr, and all targets share the virtual environment.
.NOTPARALLEL:
.PHONY: demo test unit functional test-wheel test-large style bench fuzz docs docs-output man wheel clean

demo: $(READY)  ## import and export an image in a real Keystone, Glance and Swift on loopback
	$(BIN)/python -m devcloud run -- $(BIN)/python -m devcloud.demo

test: style unit test-wheel functional docs

unit: $(READY)
	$(BIN)/stestr run || $(SHOW_FAILURES)
	$(BIN)/stestr --test-path ./devcloud/tests/unit run || $(SHOW_FAILURES)
	$(BIN)/stestr --test-path ./tests/agreement run || $(SHOW_FAILURES)

functional: $(READY)
	$(BIN)/python -m devcloud run --segment-bytes 1000000 -- \
		$(BIN)/stestr --test-path ./devcloud/tests/functional run || $(SHOW_FAILURES)
	$(BIN)/python -m devcloud run --segment-bytes 2097152 -- \
		$(BIN)/stestr --test-path ./tests/functional run || $(SHOW_FAILURES)

docs-output: $(READY)  ## replace the output in the documentation that the commands no longer print
	UPDATE_DOCS=1 $(BIN)/python -m testtools.run tests.unit.osc.test_progress_captures
	UPDATE_DOCS=1 $(BIN)/python -m devcloud run -- \
		$(BIN)/stestr --test-path ./tests/functional run --serial test_documented_output

test-wheel: man  ## build the wheel and run it in a new virtual environment
	$(BIN)/stestr --test-path ./tests/wheel run --serial || $(SHOW_FAILURES)

test-large: $(READY)  ## boot and inspect real disks, and send 6 GiB: as root; some minutes, and 7 GB of disk space
	$(BIN)/python -m devcloud run --regions DFW,ORD -- \
		$(BIN)/stestr --test-path ./tests/large run --group-regex '([^.]+\.)+' || $(SHOW_FAILURES)

style: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/flake8 ansible_collections rackspace_imagetasks tests devcloud benchmarks
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m benchmarks

fuzz: $(READY)  ## read 200,000 damaged disks, which takes most of an hour
	$(BIN)/python -m benchmarks.fuzz

docs: $(READY)
	$(BIN)/sphinx-build -W -b html doc/source doc/build/html
	$(BIN)/sphinx-build -W -b html releasenotes/source releasenotes/build/html

man: $(READY)  ## the manual page, which the wheel then contains
	$(BIN)/sphinx-build -q -b man -d doc/build/doctrees doc/source doc/build/man

wheel: man  ## the wheel, in dist/
	rm -rf build
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

$(READY): constraints.txt setup.cfg devcloud/pyproject.toml $(REQUIREMENTS)
	$(BASE_PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt \
		$(REQUIREMENTS:%=-r %) -e '.[rackspace]' -e './devcloud[demo,test]'
	touch $@

clean:
	rm -rf $(VENV) build dist doc/build releasenotes/build devcloud/build .stestr .hypothesis
