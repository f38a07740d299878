# GNU make 4 and bash. Everything needs Go; `race` a C compiler too, `lint` the module proxy.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules
.DEFAULT_GOAL := help
.PHONY: help floors demo demo-deletion demo-gateway test race torture lint bench load peers fold size fuzz cross interop web contrib deploy deps redact-report conformance-report wine cost share install uninstall sbom reproducible release snapshot apidiff vulncheck pages reference recording

GO ?= go
# What `make test`, `make race`, `make lint` and `make bench` look at.
PKG ?= ./...
# Which benchmarks `make bench` runs, and how long `make fuzz` stays at each target.
BENCH ?= .
FUZZTIME ?= 10s
# How many targets run at once.
FUZZJOBS ?= 2
# How long `make torture` plays its scenarios, such as 1h, or every-call: see there.
TORTURE ?= 2m
# How many times as long `make load` measures, or full.
LOAD ?= 1
# How much `make peers` does: 1, full, or smoke, which writes no page.
PEERS ?= 1
# `make wine` leaves out what takes long there, unless this is all.
WINE ?=
# Whose commands alone `make pages` runs: a part of a page's name.
PAGE ?=

help: ## Show this list
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## See it work: a question, events, an intake that goes away, a no, a deletion
	@$(GO) run ./internal/demo

demo-deletion: ## See a reset reach a vendor and come back verified, whatever goes wrong
	@$(GO) run ./internal/demo deletion

demo-gateway: ## See events pass a gateway, a vendor away and back, a page of them, and a deletion
	@$(GO) run ./internal/demo gateway

# A machine where others are at work takes several times as long as a quiet one, and is not a
# program that hangs: so twice the time that go test gives without being told.
test: ## Run every test, in random order
	$(GO) test -shuffle=on -timeout 20m $(PKG)

# Programs that a test builds have no race detector in them, so what these packages do is no
# more under it than without. internal/deletion lets weeks pass on SQLite, which the detector slows
# most of all: what it runs is under it in relay/deletions, relay/store and core.
UNRACED := /examples$$ /cmd/telemetry/internal/shown$$ /internal/arch$$ /internal/bench$$ /internal/deletion$$ /internal/exit$$ \
	/internal/omitted$$ /internal/pages$$ /internal/policy$$ /internal/recording$$ /internal/reference$$ \
	/internal/torture$$

# -short leaves out what repeats the same code in more processes, walks and mutants. vet is lint's.
# The suite's own tests run by themselves: ten backends at once that wait for deadlines.
race: ## The same under the race detector, in one process each; needs a C compiler
	@all=$$($(GO) list $(PKG)); for part in 'grep -v /conformance$$' 'grep /conformance$$'; do \
	  packages=$$(grep -v $(addprefix -e ,$(UNRACED)) <<<"$$all" | $$part || true); \
	  if [ -n "$$packages" ]; then CGO_ENABLED=1 $(GO) test -race -short -vet=off -shuffle=on -timeout 20m $$packages; fi; \
	done

# every-call kills and stops each process of each scene at each of its calls in turn, which
# takes long; scenarios do that at some.
torture: ## Kill, starve, damage and set back a real tool, and hold it to a model: TORTURE=1h, TORTURE_SEED=name:number for one again
	TORTURE=$(TORTURE) $(GO) test -count=1 -v -timeout $(if $(filter every-call %h,$(TORTURE)),0,20m) -run '$(if $(filter every-call,$(TORTURE)),^TestNothingBreaks,^TestTorture$$)' ./internal/torture

lint: ## gofmt, go vet (tools without telemetry too), staticcheck, and go.mod being tidy
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt -w these:"; echo "$$unformatted"; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) vet $(PKG)
	@# The tests of core and its drivers are of what is left out there.
	$(GO) build -tags notelemetry ./...
	$(GO) vet -tags notelemetry ./cmd/... ./examples/...
	$(GO) tool -modfile=tools/go.mod staticcheck $(PKG)

bench: ## Run the benchmarks: BENCH=Process PKG=./internal/bench for some of them
	$(GO) test -run '^$$' -bench '$(BENCH)' -p 1 $(PKG)

load: ## Load the gateway for some minutes and write docs/measurements/load.md: LOAD=3 for longer, LOAD=full for a million deletions
	$(GO) test -count=1 -v -timeout 2h -run '^TestLoad$$' ./relay/internal/load -args -page $(CURDIR)/docs/measurements/load.md $(if $(filter full,$(LOAD)),-full,-times $(LOAD))

peers: ## Measure the other ways beside this module and write docs/measurements/peers.md and its chart: PEERS=full for more
	cd internal/peers && $(GO) mod tidy -diff && $(GO) vet ./... && $(GO) test -shuffle=on ./...
	cd internal/peers && $(GO) run . -scale $(PEERS) -page $(CURDIR)/docs/measurements/peers.md -chart $(CURDIR)/docs/measurements/peers.svg

fold: ## What ten thousand calls of eight processes cost as events, and folded: docs/measurements/folding.md
	@$(GO) test -count=1 -v -run TenThousand ./internal/folding -args -page $(CURDIR)/docs/measurements/folding.md | sed -n 's/^ *folding_test.go:[0-9]*: //p'

size: ## What telemetry adds to a binary, KiB, modules, packages, ms before main: docs/measurements/size.md
	@$(GO) run ./internal/bench/size -page docs/measurements/size.md

fuzz: ## Run each fuzz target for FUZZTIME=10s: PKG=./core/... for some of them
	@internal/fuzzing/run.sh $(FUZZTIME) $(FUZZJOBS) $(PKG)

cost: ## Write docs/measurements/cost.md: what telemetry adds to a binary by package, and a process's page faults
	@$(GO) run ./internal/bench/cost -page docs/measurements/cost.md

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

# docs/explanation/platforms.md says what that is worth.
wine: ## Run the tests as Windows programs under Wine: WINE=all for the long ones too
	@$(GO) run ./internal/wine $(if $(filter all,$(WINE)),-all)

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

contrib: ## Test the adapters for urfave/cli, kong and go-tool-base and the tool with Bubble Tea, modules of their own
	@for module in contrib/urfavecli contrib/kongcli contrib/gotoolbase examples/bubbletea; do \
	  echo "== $$module"; \
	  (cd $$module && $(GO) mod tidy -diff && $(GO) vet ./... && $(GO) test -shuffle=on ./...); \
	done

pages: ## Hold every page: compile its programs, run its commands, follow its links; PAGE=cobra for some
	$(GO) test -count=1 ./internal/pages $(if $(PAGE),-run '/$(PAGE)')

deploy: ## Hold the files of deploy to what reads them: Kubernetes, compose, Docker, systemd
	cd deploy/check && $(GO) mod tidy -diff && $(GO) vet ./... && $(GO) test -count=1 ./...

deps: ## Accept a change of what the programs link or the packages export: rewrite internal/arch/testdata
	$(GO) test ./internal/arch -update

reference: ## Write what the code knows into docs/reference: commands, fields, backends, vendors
	$(GO) run ./internal/reference

recording: ## Record docs/recording.cast and docs/recording.svg, the picture of README, with a real mytool
	$(GO) run ./internal/recording

redact-report: ## Print how much of the scrubber's corpus is taken out, and what of ordinary texts
	@$(GO) test -count=1 -run '^TestReport$$' -v ./core/internal/redact

conformance-report: ## Hold every backend and deletion requestor to the contract: conformance/REPORT.md
	@$(GO) run ./internal/conformancereport

# What is installed. PREFIX is where it will be, DESTDIR what stands before that while a package
# is made; both as other Makefiles have them.
PREFIX ?= /usr/local
DESTDIR ?=
PROGRAMS ?= telemetry telemetry-relay telemetry-conformance

# How releases are built: static, and with no path of the machine in them. What --version says is
# written by Go itself, from git.
RELEASE_BUILD := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -ldflags=-s
OUT := .cache/release
INSTALLED := $(foreach p,$(PROGRAMS),bin/$(p) share/man/man1/$(p).1 share/bash-completion/completions/$(p) \
	share/zsh/site-functions/_$(p) share/fish/vendor_completions.d/$(p).fish) share/doc/telemetry/LICENSE \
	share/doc/telemetry/THIRD-PARTY-LICENCES

# The day on manual pages is that of the last commit, so that it makes the same pages whenever it is
# built. Without git, as in an archive of the source, they have none.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null)

share: ## Make the manual pages, the completions and the licences of what is linked, in .cache/release/share
	@rm -rf $(OUT)/share
	@mkdir -p $(OUT)/pages $(foreach d,$(sort $(dir $(filter share/%,$(INSTALLED)))),$(OUT)/$(d))
	$(GO) build -tags manpages -buildvcs=false -o $(OUT)/pages/ $(addprefix ./cmd/,$(PROGRAMS))
	@for p in $(PROGRAMS); do \
	  SOURCE_DATE_EPOCH='$(SOURCE_DATE_EPOCH)' $(OUT)/pages/$$p manpage >$(OUT)/share/man/man1/$$p.1; \
	  $(OUT)/pages/$$p completion bash >$(OUT)/share/bash-completion/completions/$$p; \
	  $(OUT)/pages/$$p completion zsh >$(OUT)/share/zsh/site-functions/_$$p; \
	  $(OUT)/pages/$$p completion fish >$(OUT)/share/fish/vendor_completions.d/$$p.fish; \
	done
	@cp LICENSE $(OUT)/share/doc/telemetry/LICENSE
	@GO='$(GO)' release/notices.sh $(PROGRAMS) >$(OUT)/share/doc/telemetry/THIRD-PARTY-LICENCES

install: share ## Install the programs, their pages and completions: PREFIX=/usr/local DESTDIR=
	@mkdir -p $(OUT)/bin
	$(RELEASE_BUILD) -o $(OUT)/bin/ $(addprefix ./cmd/,$(PROGRAMS))
	@for file in $(INSTALLED); do \
	  mode=644; case $$file in bin/*) mode=755;; esac; \
	  to="$(DESTDIR)$(PREFIX)/$$file"; mkdir -p "$${to%/*}"; \
	  install -m $$mode "$(OUT)/$$file" "$$to"; \
	done

# share/doc/telemetry is ours alone; the other folders are not.
uninstall: ## Remove what install installed: PREFIX=/usr/local DESTDIR=
	@for file in $(INSTALLED); do rm -f "$(DESTDIR)$(PREFIX)/$$file"; done
	@rmdir "$(DESTDIR)$(PREFIX)/share/doc/telemetry" 2>/dev/null || true

sbom: ## Write what the programs are made of, as CycloneDX, in .cache/release/sbom
	@mkdir -p $(OUT)/bin $(OUT)/sbom
	$(RELEASE_BUILD) -o $(OUT)/bin/ $(addprefix ./cmd/,$(PROGRAMS))
	@for p in $(PROGRAMS); do $(GO) run ./internal/sbom $(OUT)/bin/$$p $(OUT)/sbom/$$p.cdx.json; done

reproducible: ## Build the last commit twice, in other folders with nothing kept, and compare: PROGRAMS=telemetry
	@GO='$(GO)' release/reproducible.sh $(PROGRAMS)

release: ## Hold what a release is made of to what is said of it: licences, SBOM, pages, install, packages
	cd release/check && $(GO) mod tidy -diff && $(GO) vet ./... && $(GO) test -count=1 ./...

floors: ## Try whether lower versions than go.mod's would do
	@GO='$(GO)' release/floors.sh

apidiff: ## Compare what the packages export with the last release
	@GO='$(GO)' release/apidiff.sh

vulncheck: ## Look for known vulnerabilities in what is called: GOVULNDB=address of another database
	@GO='$(GO)' release/vulncheck.sh

# Its modules are no business of those who build this one, so it is in no go.mod here: go run holds
# it to Go's checksum database. It takes too long to build for CI, where release/check reads its file.
GORELEASER := $(GO) run github.com/goreleaser/goreleaser/v2@v2.15.1

snapshot: ## Build all packages of a release without a release, in .cache/dist
	$(GORELEASER) check
	$(GORELEASER) release --snapshot --clean
