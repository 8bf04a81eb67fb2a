# SPDX-License-Identifier: Apache-2.0
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

HTTP_PORT ?= 8080
GRPC_PORT ?= 8081
USE_CASES := maintenance recommender spam
# Where kind-config.yaml leads to the object store.
OBJECT_STORE ?= http://127.0.0.1:9000
# Whose overlays `make install` applies: kind, staging or production.
PLACE ?= kind
# The first of these that is new enough; set PYTHON to choose another.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	&& echo $$python && break; done)
UV_VERSION := 0.13.9
UV = $(shell command -v uv || echo .venv/bin/uv)
BIN := .venv/bin

# Tests that measure times, or fill the machine by themselves; all others run two at a time.
ALONE := tests/test_readme.py \
	$(patsubst %,tests/loadtests/test_%.py,faults known_server locust_features saturation transports truth workers_elsewhere) \
	$(patsubst %,tests/predictors/test_%.py,connections grpc_connections lifecycle observability output_counts overload \
	ports server)

# What `make loadtest` loads, and how; HOST names a server that is there already.
USE_CASE ?= spam
PROFILE ?= smoke

.PHONY: help setup run test check format cluster install models loadtest e2e bench bench-mlserver clean

help: ## show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: .venv/installed ## install from the lock into .venv

.venv/installed: pyproject.toml uv.lock
	@if [ -z "$(PYTHON)" ]; then \
		echo "Portside needs Python 3.11, 3.12 or 3.13 with its venv module; install one, or name it: make PYTHON=..." >&2; \
		exit 1; fi
	@[ -x $(BIN)/python ] || { echo "creating .venv with $$($(PYTHON) --version)"; $(PYTHON) -m venv .venv || { \
		echo "could not create .venv; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; }
	@command -v uv >/dev/null || [ -x $(BIN)/uv ] || { echo "installing uv $(UV_VERSION) into .venv"; \
		$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) || { \
		echo "could not install uv; check the network, or install uv yourself" >&2; exit 1; }; }
	@echo "installing from uv.lock"
	@UV_PROJECT_ENVIRONMENT=.venv $(UV) sync --frozen --inexact --no-progress --quiet --extra serve --extra pipelines --extra cluster --extra loadtests --extra rollouts --extra vertex || { \
		echo "could not install from uv.lock; the lines above say which package" >&2; exit 1; }
	@touch $@

run: setup ## train the spam filter, pack it, serve it, ask it once
	@rm -rf build/spam build/models/spam/1.0.0
	@$(BIN)/portside train spam --out build/spam
	@$(BIN)/portside pack build/spam/model.joblib --name spam --version 1.0.0 \
		--sample build/spam/sample.parquet --training build/spam/training.json --out build/models
	@exec $(BIN)/portside serve build/models/spam/1.0.0 \
		--http-port $(HTTP_PORT) --grpc-port $(GRPC_PORT) --send examples/spam-request.json

test: setup ## run the tests; ARGS="-k name" runs some of them
ifeq ($(ARGS),)
	@$(BIN)/pytest --numprocesses=2 --dist=loadfile --ignore=tests/e2e $(ALONE:%=--ignore=%)
	@$(BIN)/pytest $(ALONE)
else
	@$(BIN)/pytest --ignore=tests/e2e $(ARGS)
endif

check: setup ## lint, types, architecture
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy portside.py predictors pipelines cluster loadtests rollouts reports benchmarks tests
	@$(BIN)/lint-imports

format: setup ## format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

cluster: setup ## make a kind cluster with the platform on it; needs docker, kind and kubectl
	@PORTSIDE=$(BIN)/portside ./kind-cluster.sh $(ARGS)

install: setup ## install the platform on $KUBECONFIG's cluster; PLACE=production, DOWNLOADS=folder
	@$(BIN)/portside install --place $(PLACE) $(if $(DOWNLOADS),--downloads $(DOWNLOADS)) $(ARGS)

models: $(USE_CASES:%=build/models/%/1.0.0/artifact.json) ## train and pack the use cases, publish them to the kind cluster's object store
	@set -a; . manifests/components/object-store/credentials.env; \
	for name in $(USE_CASES); do \
		$(BIN)/portside publish build/models/$$name/1.0.0 s3://models --endpoint-url $(OBJECT_STORE) --skip-existing; \
	done

build/models/%/1.0.0/artifact.json: | setup
	@rm -rf build/models/$*/1.0.0
	@$(BIN)/portside train $* --out build/$*
	@$(BIN)/portside pack build/$*/model.joblib --name $* --version 1.0.0 \
		--sample build/$*/sample.parquet --training build/$*/training.json --out build/models

loadtest: setup $(if $(HOST),,build/models/$(USE_CASE)/1.0.0/artifact.json) ## load a use case and judge it; USE_CASE=spam PROFILE=smoke HOST=http://...
	@$(if $(HOST),,$(BIN)/portside -q serve build/models/$(USE_CASE)/1.0.0 --http-port $(HTTP_PORT) --grpc-port $(GRPC_PORT) & \
	trap "kill $$!; wait" EXIT;) \
	$(BIN)/portside loadtest $(USE_CASE) --profile $(PROFILE) \
		$(if $(HOST),--host $(HOST),--host http://127.0.0.1:$(HTTP_PORT) --grpc-host 127.0.0.1:$(GRPC_PORT) --wait 60) \
		--report build/loadtest/$(USE_CASE)-$(PROFILE).html --json build/loadtest/$(USE_CASE)-$(PROFILE).json $(ARGS)

e2e: setup ## run the tests that need a cluster, against $KUBECONFIG
	@$(BIN)/pytest tests/e2e --verbose --capture=no --durations=20 $(ARGS)

bench: setup ## measure speed against peers; needs wrk and h2load; QUICK=1 and ONLY=http,grpc make it shorter
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(ARGS)

bench-mlserver: setup ## install MLServer, one of the peers, into an environment of its own
	@$(UV) venv --quiet --allow-existing --python '>=3.11,<3.13' build/mlserver-venv
	@$(UV) pip install --quiet --python build/mlserver-venv/bin/python -r benchmarks/mlserver-requirements.txt

clean: ## remove what was built; .venv stays
	@rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis
