# The front door. `make` alone says what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
export KEEP CLUSTER
# The oldest Kubernetes that the chart installs on, and newer ones up to the newest.
VERSIONS ?= 1.31 1.33 1.36 1.37
comma := ,
# Where cargo puts what it builds.
TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: help
help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Show a backup run from 0 to 100 % on a real control plane (KEEP=1, CLUSTER=current)
	@hack/demo/run.sh

# Where `make install` puts the command line: into bin/ below it.
PREFIX ?= $(HOME)/.local

.PHONY: install
install: ## Build the command line and install it into ~/.local/bin, also as `kubectl cbw` (PREFIX=~/.local)
	cargo install --locked --quiet --path . --root $(PREFIX) --no-track --force
	ln --symbolic --force cce-backup-watch $(PREFIX)/bin/kubectl-cbw

# What `make test` runs, side by side, because much of it waits for timers. The longest is first, and what computes most is late.
parts := e2e monitoring gates templates image chart unit playground
JOBS ?= 2

.PHONY: test
test: ## Run every test (JOBS=2 of its parts side by side; one alone: make test-e2e)
	hack/programs.sh bwrap buildah readelf
	@echo 'side by side, and each is printed when it has ended: $(parts)'
	@$(MAKE) --no-print-directory --jobs=$(JOBS) --output-sync=target $(parts:%=test-%)

# The jobs of make are its parts, and no limit for what they start.
ifneq ($(MAKELEVEL),0)
unexport MAKEFLAGS
# Beside a compiler, or a disk that still writes what it left, an API server does not answer for many seconds. So all that is compiled is
# there before the first test.
$(parts:%=test-%): test-written
# A change of a source is part of it, after which the binary that others run is built again.
test-playground: $(patsubst %,test-%,$(filter-out playground,$(parts)))
endif
# Each part says at its end what it took: the time, and that of the processors.
TIMEFORMAT = $@: %0lR, of which processors %0lU and in the system %0lS
export TIMEFORMAT

# With --workspace throughout, so that no dependency is built a second time with other features.
.PHONY: test-build
test-build:
	time cargo test --workspace --locked --no-run

# The image's binary: that of the tests, linked as the released one is (CBW_PROFILE=release: the released one, which the nightly run tries)
CBW_PROFILE ?= dev
.PHONY: test-binary
test-binary: test-build
	time CBW_PROFILE=$(CBW_PROFILE) hack/image.sh --context >/dev/null

.PHONY: test-written
test-written: test-build test-tools $(if $(filter image,$(parts)),test-binary)
	sync

.PHONY: test-tools
test-tools:
	time hack/control-plane/provision.sh etcd kube-apiserver kubectl helm kube-controller-manager \
	  promtool prometheus amtool actionlint helm-docs helm-unittest

.PHONY: $(parts:%=test-%)
$(parts:%=test-%): test-build test-tools

# The tests without a control plane
test-unit:
	time cargo test --workspace --locked

# The end-to-end tests on a real API server
test-e2e:
	time hack/control-plane/run.sh -- cargo test --locked --workspace --test e2e

# The chart on a real API server
test-chart:
	time hack/control-plane/run.sh -- cargo test --locked --workspace --test chart

# Whatever lets an upgrade begin, with a Job controller
test-gates:
	time hack/control-plane/run.sh --with-controller-manager -- cargo test --locked --workspace --test gates

# Alerts and dashboard, with a Prometheus
test-monitoring:
	time hack/control-plane/run.sh -- cargo test --locked --workspace --test monitoring

# What is installed, as text: the chart's templates, rules, workflows, scripts
test-templates:
	time hack/control-plane/run.sh -- cargo test --locked --workspace --test shipped templates: -- --test-threads 4

# What "make run" promises
test-playground:
	time hack/playground/run.sh -- cargo test --locked --workspace --test shipped playground:

# The image, on a real API server. Its binary is not built again, because cargo would put it where others run theirs.
test-image: test-binary
	hack/programs.sh bwrap buildah readelf
	time CBW_PROFILE=$(CBW_PROFILE) $(if $(filter dev,$(CBW_PROFILE)),CBW_BINARY=$$(echo $(TARGET)/image/dev/context/*/cce-backup-watch)) \
	  hack/control-plane/run.sh -- cargo test --locked --workspace --test shipped image:

.PHONY: test-versions
test-versions: ## Run the end-to-end tests on every version of Kubernetes that is pinned
	for version in $(VERSIONS); do \
	  hack/control-plane/run.sh --kubernetes $$version -- cargo test --locked --workspace --test e2e || exit; \
	done

.PHONY: test-helm
test-helm: ## Run the helm commands of every page with Helm 3 and 4 (not part of "make test"; the first time builds both)
	hack/control-plane/run.sh -- cargo test --locked --workspace --test shipped helm:

.PHONY: test-release
test-release: ## Follow RELEASE.md on loopback: push, sign, verify, mirror, install (IMAGE=archives; not part of "make test")
	$(if $(IMAGE),hack/programs.sh skopeo)
	CBW_IMAGES="$(IMAGE)" hack/control-plane/run.sh -- cargo test --locked --workspace --test shipped release:

.PHONY: test-flux
test-flux: ## Try docs/gitops.md with Flux' own controllers (not part of "make test"; the first time builds them)
	hack/control-plane/run.sh --with-controller-manager -- cargo test --locked --workspace --test shipped flux: -- --test-threads 4

.PHONY: test-node
test-node: ## Run the chart's pod on a real kubelet and containerd, where the machine can (Linux, root)
	@hack/test-node.sh

.PHONY: simulate
simulate: ## Search made-up histories for a broken promise (HISTORIES=100000, SEED=1, MINUTES=no limit)
	cargo build --quiet --locked --profile histories --package cbw-histories
	$(TARGET)/histories/cbw-histories --histories $(or $(HISTORIES),100000) --seed $(or $(SEED),1) $(if $(MINUTES),--minutes $(MINUTES))

.PHONY: test-mutations
test-mutations: ## Put known faults back one by one; a search of histories must find each (MINUTES=3 for each)
	hack/test-mutations.sh

.PHONY: lint
lint: ## Check formatting, lints, licences and dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	hack/cargo-tool.sh cargo-deny check --hide-inclusion-graph licenses bans sources
	@if hack/cargo-tool.sh cargo-deny fetch db 2>/dev/null; then hack/cargo-tool.sh cargo-deny check advisories; \
	  else echo "advisories: not checked, the database could not be fetched"; fi

.PHONY: generate
generate: ## Write what is generated: crds/, config/, pages of docs/, parts of the chart
	UPDATE=1 cargo test --quiet --locked --test docs generated
	UPDATE=1 cargo test --quiet --locked --package cbw-bench pages::
	PATH="$$(hack/control-plane/provision.sh helm helm-docs):$$PATH" hack/generate-config.sh

# Two commands, so that the operator that is measured has no feature of a dependency that only the bench needs.
build-bench = cargo build --release --locked --package cce-backup-watch && cargo build --release --locked --package cbw-bench

.PHONY: bench
bench: ## Measure what the operator costs (FULL=1 to 10,000 watches, N=100,1000 RUNS=3, OPERATOR=cmd, AGAINST=cmd, JSON=1)
	$(build-bench)
	hack/control-plane/run.sh -- $(TARGET)/release/cbw-bench costs \
	  $(if $(N),--watches $(N),$(if $(FULL),--watches 100$(comma)1000$(comma)5000$(comma)10000)) $(if $(FULL),--one-account 10000) $(if $(RUNS),--runs $(RUNS)) \
	  $(if $(OPERATOR),--operator "$(OPERATOR)") $(if $(AGAINST),--against "$(AGAINST)") $(if $(JSON),--json) \
	  $(if $(RECORD),--write-record $(RECORD),$(if $(wildcard bench/record.json),--record bench/record.json))

.PHONY: soak
soak: ## Keep 500 watches under churn for MINUTES=20: memory, files, threads and series stay the same (OPERATOR=cmd)
	$(build-bench)
	hack/control-plane/run.sh -- $(TARGET)/release/cbw-bench soak $(if $(MINUTES),--minutes $(MINUTES)) \
	  $(if $(OPERATOR),--operator "$(OPERATOR)")

.PHONY: image
image: ## Build the operator's image as an OCI archive, without a Docker daemon (ARCH=arm64 cross-builds)
	@hack/programs.sh buildah readelf
	@hack/image.sh $(ARCH)

.PHONY: picture
picture: ## Draw the picture of the README from a run of the demo
	@hack/demo/picture.sh

.PHONY: control-plane
control-plane: ## Get etcd, kube-apiserver, kubectl and helm, once
	@hack/control-plane/provision.sh

.PHONY: run
run: ## The operator on a control plane and a cloud of its own, with watches in every odd state; started again when a source changes
	@hack/playground/run.sh

.PHONY: shell
shell: ## A shell in the same place, without the operator
	@hack/playground/run.sh --no-operator
