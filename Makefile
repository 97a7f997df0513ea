# make run: the demo; make test: everything that is tested; make lint; make docs; make bench: beside nginx, HAProxy and Caddy;
# make fuzz: ten minutes of bytes that nobody thought of; make slow: slowhttptest in each of its modes;
# make screenshot: the picture of the dashboard in README.md, taken by Chromium while the demo is visited.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run test lint docs bench fuzz slow screenshot

run: $(VENV)/.installed
	$(BIN)/twistd -n --pidfile= revproxy -c etc/demo.ini

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict twistedproxy

docs: $(VENV)/.installed
	$(BIN)/python -m twistedproxy.config.reference > docs/reference.md

# Arguments: make bench BENCH="--only small_get --subjects nginx,ours"
bench: $(VENV)/.installed-bench
	$(BIN)/python -m bench $(BENCH)

# Seconds: make fuzz FUZZ=60
FUZZ ?= 600
fuzz: $(VENV)/.installed-fuzz
	$(BIN)/python -m tests.fuzz.wire -max_total_time=$(FUZZ)

# Debian's slowhttptest: a thousand slow clients for a minute in each mode, and others who are served meanwhile.
SLOW_SECONDS ?= 60
SLOW_CONNECTIONS ?= 1000
slow: $(VENV)/.installed-test
	SLOW_SECONDS=$(SLOW_SECONDS) SLOW_CONNECTIONS=$(SLOW_CONNECTIONS) $(BIN)/python -m pytest -s tests/real/test_slow_clients.py

screenshot: $(VENV)/.installed-test
	$(BIN)/python -m tests.real.bustle docs/images/dashboard.png

# Stamped on what says which packages are needed: a second make is quick.
$(VENV)/.installed: setup.cfg pyproject.toml | $(BIN)/python
	$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-test: setup.cfg pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: setup.cfg pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[bench]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-fuzz: setup.cfg pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[test,fuzz]'
	@touch $@ $(VENV)/.installed $(VENV)/.installed-test

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Python 3.11 or newer is needed, and $(PYTHON) is not; say: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	    || { rm -rf $(VENV); echo "$(PYTHON) cannot make virtual environments; Debian has them in python3-venv" >&2; exit 1; }
