# `make test` is everything CI does; `make demo` shows one turn. Both keep to .venv, and install again only when
# what they install from has changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FRESH := $(VENV)/fresh
AZURITE := tests/services/azurite/node_modules
# -qq: errors only.
PIP := -m pip -qq --disable-pip-version-check install
PACKS := -e plugins/mortgage -e plugins/real_estate
SOURCES := constraints.txt pyproject.toml $(wildcard plugins/*/pyproject.toml plugins/*/hatch_build.py)

.DELETE_ON_ERROR:
.PHONY: test demo prove constraints clean browser

test: $(VENV)/installed-all $(AZURITE)/installed browser
	$(BIN)/ruff check --quiet --output-format concise .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo
	grep -rlF '[[[cog' --include='*.md' *.md docs | xargs -r $(BIN)/cog --check --diff --verbosity=0
	$(BIN)/pytest -q -n 3 --dist loadfile

# The report's page is tested in a real browser. Without one and without the right to install it, that test skips, saying so.
browser:
	@command -v chromium > /dev/null || command -v google-chrome > /dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium > /dev/null; } || true

demo: $(VENV)/installed-light
	@$(BIN)/emma demo

prove: $(VENV)/installed-all $(AZURITE)/installed
	$(BIN)/python $(PIP) -c constraints.txt -e '.[prove]'
	$(BIN)/pytest -q -s -m prove
	for proof in tests/prove/fuzz_*.py; do $(BIN)/python "$$proof" -runs=1000000 || exit 1; done

constraints:
	rm -rf $(FRESH) && $(PYTHON) -m venv $(FRESH)
	$(FRESH)/bin/python $(PIP) -e '.[all,dev,prove]' $(PACKS)
	echo '# Every version that the tests ran with, all extras in. Made by `make constraints` in an empty environment.' > $(FRESH)/set
	$(FRESH)/bin/python -m pip freeze --exclude-editable >> $(FRESH)/set
	mv $(FRESH)/set constraints.txt && rm -rf $(FRESH)

clean:
	rm -rf $(VENV) $(AZURITE) dist .emma .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

$(VENV)/installed-all: $(SOURCES) | $(BIN)/python
	@echo "Installing Emma, both packs and the tools into $(VENV)."
	@$(BIN)/python $(PIP) -c constraints.txt -e '.[all,dev]' $(PACKS)
	@touch $@ $(VENV)/installed-light

# A stand-in of Azure Blob Storage, for tests. Without npm they skip, saying so.
$(AZURITE)/installed: tests/services/azurite/package-lock.json
	@mkdir -p $(AZURITE)
	@! command -v npm > /dev/null || npm ci --prefix tests/services/azurite --ignore-scripts --no-audit --no-fund --silent
	@touch $@

$(VENV)/installed-light: $(SOURCES) | $(BIN)/python
	@echo "Installing Emma and both packs into $(VENV)."
	@$(BIN)/python $(PIP) -c constraints.txt -e . $(PACKS)
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Emma needs Python 3.11 or newer and $(PYTHON) is " + sys.version.split()[0] + "; name another: make demo PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV)
