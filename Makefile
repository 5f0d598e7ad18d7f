# Every verb of the project; `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
BIN := .venv/bin
PROTOS = $(shell cd proto && find centralita -name '*.proto' | LC_ALL=C sort)
GOOGLE = $(shell $(BIN)/python -c 'import google.rpc, pathlib; print(pathlib.Path(google.rpc.__path__[0]).parent.parent)')

help: ## List the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

proto: ## Generate code and descriptors from the protos
	rm -rf proto/gen && mkdir -p proto/gen deploy/envoy
	PATH="$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iproto -I$(GOOGLE) \
	  --python_out=proto/gen --grpc_python_out=proto/gen \
	  --mypy_out=proto/gen --mypy_grpc_out=proto/gen \
	  --include_imports --include_source_info --descriptor_set_out=proto/gen/centralita.binpb $(PROTOS)

.PHONY: help proto
