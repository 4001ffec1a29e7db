# SPDX-License-Identifier: Apache-2.0
#
# Everything that a contributor or CI does is a target here; `make` lists them.
# Tools are pinned in hack/tools/go.mod and run by `go tool`: nothing is
# installed, and what was built once stays in Go's build cache.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

MODULE := github.com/oauthbroker/oauth-broker
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X $(MODULE)/internal/version.linked=$(VERSION)@$(COMMIT)

IMAGE ?= ghcr.io/oauthbroker/oauth-broker

TOOL := go tool -modfile=hack/tools/go.mod
STEP := hack/progress.sh
FUZZTIME ?= 10s
DURATION ?= 30m

# What `make generate` writes; `make verify` fails where it differs from Git.
GENERATED := api charts config/crd config/rbac docs/reference docs/vendors/README.md \
	go.mod go.sum hack/tools/go.mod hack/tools/go.sum hack/controlplane/go.mod hack/controlplane/go.sum \
	$(foreach m,hack/cluster hack/image hack/tools/helm test/alerts,$(m)/go.mod $(m)/go.sum)

.PHONY: help
help: ## Show this list.
	@awk 'BEGIN { FS = ":.*## "; print "Usage: make TARGET" } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Use

.PHONY: run
run: controlplane ## Start control plane, operator, two brokers and an OpenID provider, and log in once. ONCE=1: exit after it.
	@$(STEP) 'build hack/dev' go build -o bin/dev ./hack/dev
	@exec bin/dev --env-file bin/dev.env $(if $(filter-out 0 false no,$(ONCE)),--once)

.PHONY: build
build: ## Build bin/manager, bin/broker and bin/oauth-broker (with its kubectl plugin).
	@$(STEP) 'build $(VERSION)' env CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...
	@ln -sf oauth-broker bin/kubectl-oauth_broker
	@cp cmd/oauth-broker/kubectl_complete-oauth_broker bin/

.PHONY: image
image: ## Build the image for amd64 and arm64 into dist/image, with Go alone; PUSH=REGISTRY/NAME:TAG uploads it.
	@$(STEP) 'image $(VERSION)' go -C hack/image run . --version '$(VERSION)' --commit '$(COMMIT)' \
		--tag '$(IMAGE):$(subst +,-,$(VERSION))' --created "$$(git log -1 --format=%ct 2>/dev/null || echo 0)" $(if $(PUSH),--push '$(PUSH)')

.PHONY: controlplane
controlplane: ## Build kube-apiserver, etcd and kubectl into the cache directory (once, about 5 minutes).
	@hack/controlplane/build.sh

.PHONY: clean
clean: ## Remove bin and dist. Caches stay.
	@rm -rf bin dist

##@ Test

.PHONY: test
test: vet lint test-rules redis-server test-unit controlplane test-integration ## Run vet, lint, unit and integration tests: all but test-operator and the two suites that need npm.
	@echo '==> all tests passed'

.PHONY: vet
vet: ## Run go vet.
	@$(STEP) 'vet' go vet ./...

.PHONY: lint
lint: ## Run golangci-lint and check the formatting (the first time builds it, about 2 minutes).
	@$(STEP) 'lint' $(TOOL) golangci-lint run --allow-parallel-runners
	@$(STEP) 'lint api' $(TOOL) golangci-lint-kube-api-linter run --config=.golangci-kal.yml ./api/...

.PHONY: test-rules
test-rules: ## Check import direction and what the documents promise about the repository.
	@$(STEP) 'repository rules' go test -count=1 ./test/imports

.PHONY: redis-server
redis-server: ## Install Debian's redis-server where the command is missing; its service is not started.
	@command -v redis-server >/dev/null || RUNLEVEL=1 $(STEP) 'install redis-server' hack/debian.sh redis-server

.PHONY: test-unit
test-unit: redis-server ## Run the tests that need no control plane, with the race detector.
	@$(STEP) 'unit tests' go test -race -timeout=10m $$(go list ./... | grep -v -e '/test/integration' -e '/test/imports$$')
	@$(STEP) 'image tests' go -C hack/image test -timeout=10m ./...
	@$(STEP) 'alerts and dashboard' go -C test/alerts test -timeout=10m ./...

# The operator's long suites: crashes, outages, registrations, thousands of objects.
LONG := ^Test(Crash|Outage|Registration|Recovery|Steady|Leader|Collection|Probe|Publish_oneOfThreeThousand)

.PHONY: test-integration
test-integration: controlplane ## Run the tests against a real API server, with the race detector; not the long ones.
	@$(STEP) 'integration tests' go test -race -count=1 -timeout=25m -skip '$(LONG)' ./test/integration/...

.PHONY: test-operator
test-operator: controlplane ## Run the long tests of the operator against a real API server, with the race detector (about 8 minutes).
	@$(STEP) 'operator tests' go test -race -count=1 -timeout=25m -run '$(LONG)' ./test/integration/operator

.PHONY: test-modules
test-modules:
	@$(STEP) 'npm modules of the tests' hack/npm-ci.sh test

.PHONY: test-interop
test-interop: test-modules ## Let unmodified OAuth and MCP clients (npm) log in through the built broker.
	@$(STEP) 'interoperability' go test -tags=interop -count=1 -timeout=10m -v ./test/interop

.PHONY: test-browser
test-browser: test-modules ## Walk through logins with Chromium; screenshots go to test/browser/screenshots.
	@command -v chromium >/dev/null || $(STEP) 'Chromium' hack/debian.sh chromium
	@rm -rf test/browser/screenshots
	@$(STEP) 'browser' go test -tags=browser -count=1 -timeout=10m -v ./test/browser

.PHONY: test-vault
test-vault: ## Run the tests of a wrapped key ring with a real HashiCorp Vault (the first time builds it: 7 minutes of CPU).
	@$(STEP) 'build test/vault' go -C test/vault build -o ../../bin/vault .
	@$(STEP) 'key ring and Vault' go test -tags=vault -count=1 -timeout=10m -v -run '^TestVault|^TestKMS$$/^vault$$' ./test/binary

.PHONY: e2e
e2e: ## Install on a real single-node Kubernetes of this machine (root; about 15 minutes) and break things. ARGS="--keep" etc.
	@go run ./test/e2e $(ARGS)

.PHONY: bench-operator
bench-operator: controlplane ## Time edits from the API server to Programmed, with 100 and with 10,000 credentials (about 6 minutes). ARGS="--edits 20" etc.
	@go run ./hack/bench/operator $(ARGS)

.PHONY: soak
soak: redis-server ## Run two race-built brokers under load and faults for DURATION (30m), and see that nothing fails or grows.
	@$(STEP) 'soak $(DURATION)' go test -tags=soak -count=1 -timeout=0 -v ./test/soak -duration $(DURATION)

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (10s).
	@hack/fuzz.sh $(FUZZTIME)

.PHONY: bench
bench: ## Measure logins: cost, latency, memory, reloads, beside a broker without checks (about 5 minutes). ARGS="-quick" etc.
	@$(STEP) 'build hack/bench' go build -o bin/bench ./hack/bench
	@bin/bench $(ARGS)

.PHONY: vuln
vuln: ## Look for known vulnerabilities in what is used (asks the Go vulnerability database).
	@$(STEP) 'vulnerabilities' $(TOOL) govulncheck ./...

##@ Generate

.PHONY: fmt
fmt: ## Format the Go files.
	@$(TOOL) golangci-lint fmt

.PHONY: generate
generate: ## Write deep copies, CRDs, RBAC and the references from the Go code.
	@$(STEP) 'generate deep copies' $(TOOL) controller-gen object:headerFile=hack/boilerplate.go.txt paths=./api/...
	@$(STEP) 'generate CRDs' $(TOOL) controller-gen crd paths=./api/... output:crd:dir=config/crd/bases
	@$(STEP) 'generate RBAC' $(TOOL) controller-gen rbac:roleName=oauth-broker-manager paths=./controllers/... output:rbac:dir=config/rbac
	@$(STEP) 'generate charts' go run ./hack/chart
	@mkdir -p docs/reference
	@$(STEP) 'generate API reference' $(TOOL) crd-ref-docs --source-path=api --config=hack/crd-ref-docs.yaml \
		--renderer=markdown --output-path=docs/reference/api.md --log-level=ERROR
	@$(STEP) 'generate conditions reference' go run ./hack/conditions
	@$(STEP) 'generate vendor index' go run ./hack/vendordocs
	@$(STEP) 'generate references' go run ./hack/reference
	@$(STEP) 'generate command references' go test -count=1 -run '^TestReference$$' ./cmd/... -update

.PHONY: tidy
tidy: ## Tidy every module of this repository.
	@$(STEP) 'tidy' go mod tidy
	@$(STEP) 'tidy hack/tools' go -C hack/tools mod tidy
	@$(STEP) 'tidy hack/controlplane' go -C hack/controlplane mod tidy
	@for m in hack/cluster hack/image hack/tools/helm test/alerts; do $(STEP) "tidy $$m" go -C $$m mod tidy || exit 1; done

.PHONY: verify
verify: generate tidy ## Generate and tidy, then fail if that changed a file.
	@if [ -n "$$(git status --porcelain -- $(GENERATED))" ]; then \
		git --no-pager diff -- $(GENERATED); \
		git status --short -- $(GENERATED); \
		echo 'verify: generated files differ from what is committed: commit the changes above (make generate tidy)' >&2; \
		exit 1; \
	fi
	@echo '==> generated files and modules are up to date'
