# GNU make 4 and bash. Everything needs Go; `race` a C compiler too, `lint` the module proxy.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules
.DEFAULT_GOAL := help
.PHONY: help demo demo-erasure demo-gateway test race torture lint bench load fold size fuzz cross interop web contrib pages deploy deps reference recording redact-report conformance-report

GO ?= go
# What `make test`, `make race`, `make lint` and `make bench` look at.
PKG ?= ./...
# Which benchmarks `make bench` runs, and how long `make fuzz` stays at each target.
BENCH ?= .
FUZZTIME ?= 10s
# How many times the default number of rounds `make torture` runs.
TORTURE ?= 1
# How many times as long `make load` measures, or full.
LOAD ?= 1
# Whose commands alone `make pages` runs: a part of a page's name.
PAGE ?=

help: ## Show this list
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## See it work: a question, events, an intake that goes away, a no, an erasure
	@$(GO) run ./internal/demo

demo-erasure: ## See a reset reach a vendor and come back verified, whatever goes wrong
	@$(GO) run ./internal/demo erasure

demo-gateway: ## See events pass a gateway, a vendor away and back, a page of them, and an erasure
	@$(GO) run ./internal/demo gateway

# A machine where others are at work takes several times as long as a quiet one, and is not a
# program that hangs: so twice the time that go test gives without being told.
test: ## Run every test, in random order
	$(GO) test -shuffle=on -timeout 20m $(PKG)

# Programs that a test builds have no race detector in them, so what these packages do is no
# more under it than without.
UNRACED := /cmd/telemetry/internal/shown$$ /internal/arch$$ /internal/bench$$ /internal/exit$$ \
	/internal/omitted$$ /internal/pages$$ /internal/policy$$ /internal/recording$$ /internal/reference$$ \
	/internal/torture$$

# -short leaves out what repeats the same code in more processes, walks and mutants. vet is lint's.
# The suite's own tests run by themselves: ten backends at once that wait for deadlines.
race: ## The same under the race detector, in one process each; needs a C compiler
	@all=$$($(GO) list $(PKG)); for part in 'grep -v /conformance$$' 'grep /conformance$$'; do \
	  packages=$$(grep -v $(addprefix -e ,$(UNRACED)) <<<"$$all" | $$part || true); \
	  if [ -n "$$packages" ]; then CGO_ENABLED=1 $(GO) test -race -short -vet=off -shuffle=on -timeout 20m $$packages; fi; \
	done

torture: ## Stop and kill real processes at every system call and beside each other: TORTURE=10
	TORTURE=$(TORTURE) $(GO) test -count=1 -v -timeout 2h ./internal/torture

lint: ## gofmt, go vet (tools without telemetry too), staticcheck, and go.mod being tidy
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt -w these:"; echo "$$unformatted"; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) vet $(PKG)
	@# The tests of core and its drivers are of what is left out there.
	$(GO) build -tags notelemetry ./core/...
	$(GO) vet -tags notelemetry ./cmd/... ./examples/...
	$(GO) tool -modfile=tools/go.mod staticcheck $(PKG)

bench: ## Run the benchmarks: BENCH=Process PKG=./internal/bench for some of them
	$(GO) test -run '^$$' -bench '$(BENCH)' -p 1 $(PKG)

load: ## Load the gateway for some minutes and write docs/measurements/load.md: LOAD=3 for longer, LOAD=full for a million erasures
	$(GO) test -count=1 -v -timeout 2h -run '^TestLoad$$' ./relay/internal/load -args -page $(CURDIR)/docs/measurements/load.md $(if $(filter full,$(LOAD)),-full,-times $(LOAD))

fold: ## What ten thousand calls of eight processes cost as events, and folded: docs/measurements/folding.md
	@$(GO) test -count=1 -v -run TenThousand ./internal/folding -args -page $(CURDIR)/docs/measurements/folding.md | sed -n 's/^ *folding_test.go:[0-9]*: //p'

size: ## What telemetry adds to a binary, KiB, modules, packages, ms before main: docs/measurements/size.md
	@$(GO) run ./internal/bench/size -page docs/measurements/size.md

fuzz: ## Run each fuzz target for FUZZTIME=10s
	@grep -rlE '^func Fuzz' --include='*_test.go' . | sort | while read -r file; do \
	  grep -oE '^func Fuzz[A-Za-z0-9_]*' "$$file" | while read -r _ target; do \
	    echo "== $$(dirname "$$file") $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" </dev/null; \
	  done; \
	done

# What docs/explanation/delivery.md says of other systems holds for core: one processor of each that Go knows,
# and the ones with 32 bits.
SYSTEMS := aix/ppc64 android/arm64 dragonfly/amd64 illumos/amd64 js/wasm linux/386 linux/arm \
	netbsd/amd64 openbsd/amd64 plan9/amd64 solaris/amd64 wasip1/wasm

# Nothing of it is run, so the compiler is spared what makes it fast: a third of the work.
UNOPTIMISED := -gcflags='all=-N -l'

cross: ## Vet everything, tests included, for the other systems, and link what people do; core for all
	@for os in windows darwin freebsd; do \
	  echo "== $$os"; \
	  GOOS=$$os CGO_ENABLED=0 $(GO) vet $(UNOPTIMISED) ./...; \
	  GOOS=$$os CGO_ENABLED=0 $(GO) build $(UNOPTIMISED) ./cmd/... ./examples/...; \
	done
	@echo "== ios/arm64, core without its tests, which would need Apple's linker"; \
	  GOOS=ios GOARCH=arm64 CGO_ENABLED=0 $(GO) build $(UNOPTIMISED) ./core/... ./backends/file ./backends/httpjson
	@for system in $(SYSTEMS); do \
	  echo "== $$system, core"; \
	  GOOS=$${system%/*} GOARCH=$${system#*/} CGO_ENABLED=0 $(GO) vet $(UNOPTIMISED) ./core/... ./backends/file ./backends/httpjson; \
	done

# One package at a time: Datadog's models take 8 GB to compile. They are not vetted, which
# would take 3 GB and minutes more; nothing is kept of an earlier run, because the tests
# build programs that go test does not know of.
interop: ## Let real servers and the vendors' own models read what the backends send
	cd internal/interop && $(GO) vet $$($(GO) list ./... | grep -v /datadogmodels)
	cd internal/interop && $(GO) test -vet=off -count=1 -shuffle=on -p 1 -timeout 30m ./...

# The checker of accessibility comes from npm, at one version and with one content, and is not
# kept in the repository; the browser is the system's.
AXE_VERSION := 4.14.1
AXE_SHA256 := 29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c
AXE := $(CURDIR)/.cache/axe-$(AXE_VERSION)/node_modules/axe-core/axe.min.js
# Where `make web` leaves pictures of the page.
SCREENSHOTS ?= $(CURDIR)/.cache/screenshots

web: ## Look at the telemetry page and the report in headless Chromium; SCREENSHOTS=dir for the pictures
	@for program in chromium npm; do \
	  command -v $$program >/dev/null || { echo "make web needs $$program: apt-get install $$program" >&2; exit 1; }; \
	done
	@test -f $(AXE) || npm install --prefix .cache/axe-$(AXE_VERSION) --no-save --ignore-scripts --no-audit --no-fund axe-core@$(AXE_VERSION)
	@echo "$(AXE_SHA256)  $(AXE)" | sha256sum --check --quiet
	cd core/console/internal/page/browser && $(GO) vet ./...
	cd core/console/internal/page/browser && AXE=$(AXE) SCREENSHOTS=$(abspath $(SCREENSHOTS)) $(GO) test -count=1 -timeout 30m ./...

contrib: ## Test the adapters for urfave/cli and kong and the tool with Bubble Tea, modules of their own
	@for module in contrib/urfavecli contrib/kongcli examples/bubbletea; do \
	  echo "== $$module"; \
	  (cd $$module && $(GO) mod tidy -diff && $(GO) vet ./... && $(GO) test -shuffle=on ./...); \
	done

pages: ## Hold every page: compile its programs, run its commands, follow its links; PAGE=cobra for some
	$(GO) test -count=1 ./internal/pages $(if $(PAGE),-run '/$(PAGE)')

deploy: ## Hold the files of deploy to what reads them: Kubernetes, compose, Docker, systemd
	cd deploy/check && $(GO) mod tidy -diff && $(GO) vet ./... && $(GO) test -count=1 ./...

deps: ## Accept a change of what the programs link: rewrite internal/arch/testdata
	$(GO) test ./internal/arch -update

reference: ## Write what the code knows into docs/reference: commands, fields, backends, vendors
	$(GO) run ./internal/reference

recording: ## Record docs/recording.cast and docs/recording.svg, the picture of README, with a real mytool
	$(GO) run ./internal/recording

redact-report: ## Print how much of the scrubber's corpus is taken out, and what of ordinary texts
	@$(GO) test -count=1 -run '^TestReport$$' -v ./core/internal/redact

conformance-report: ## Hold every backend and deletion requestor to the contract: conformance/REPORT.md
	@$(GO) run ./internal/conformancereport
