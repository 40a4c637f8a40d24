# Tomoseg for Blender: `make demo` runs the whole protocol, `make test` runs all tests.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made
OUTPUT ?= demo-output
TOMOGRAM ?=
LABELS ?=
BLENDER ?=
# What bpy's shared library links to; a desktop has them, a bare server may not.
SYSTEM_LIBRARIES := libgl1 libegl1 libsm6 libice6 libx11-6 libxext6 libxfixes3 libxi6 libxkbcommon0 libxrender1 libxxf86vm1

.PHONY: env env-4.2 demo test test-gui bench zip lint clean

env: $(STAMP)

$(STAMP): ml/requirements.txt ml/constraints.txt requirements-dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed (bpy 4.5 is made for it): name it with make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt -c ml/constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@sh tools/system_libraries.sh $(BIN)/python $(SYSTEM_LIBRARIES)
	@touch $@

# The oldest Blender that Tomoseg is made for; `tests/versions` runs every step in it.
env-4.2: build/bpy42/.made

build/bpy42/.made:
	$(PYTHON) -m venv build/bpy42
	build/bpy42/bin/python -m pip install --quiet bpy==4.2.0 numpy==1.26.4
	@touch $@

demo: env
	$(BIN)/python -m demo --output "$(OUTPUT)" $(if $(TOMOGRAM),--tomogram "$(TOMOGRAM)") $(if $(LABELS),--labels $(LABELS))

test: env
	$(BIN)/python -m pytest

# In a real window of any Blender: make test-gui BLENDER=/path/to/blender. Exit status 77: skipped, none found.
test-gui:
	python3 tests/gui/run.py --out gui-output $(if $(BLENDER),--blender "$(BLENDER)")

bench: env
	$(BIN)/python -m bench

zip: env
	@mkdir -p dist
	$(BIN)/python tools/build_zip.py dist

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p build/mypy && ln -sfn ../.. build/mypy/tomoseg
	$(BIN)/mypy

clean:
	rm -rf build dist demo-output
