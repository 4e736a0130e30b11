# Everything here is a short name for something plain: `cargo` works without make, and CI runs these same lines.
# `make help` lists them.

export PATH := $(PATH):$(HOME)/.cargo/bin
CARGO ?= cargo
CRATES := ta-model ta-engine ta-discovery ta-server ta-loadgen ta-bench
IMAGE ?= target-allocator:dev
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

run: ## build and start the allocator on an example: http://localhost:8080/
	@scripts/need build
	$(CARGO) run --locked -p ta-server --bin target-allocator -- --config-file examples/local/targetallocator.yaml --zap-encoder=console

test: ## bring what a fresh Debian or Ubuntu lacks, then run every test
	@scripts/need build
	@scripts/test

acceptance: ## only the tests against real Prometheus and promtool
	@scripts/need build
	@scripts/test -p ta-server --test prometheus_client --test promtool_oracle

e2e: ## the tests against a real kube-apiserver, which is built first (needs go, etcd-server; 15 minutes once)
	@scripts/need build
	scripts/apiserver
	@scripts/test -p ta-server --test apiserver -- --ignored --test-threads=1

browser: ## the pages in a real browser (needs node, chromium); pictures into SCREENSHOTS, or target/screenshots
	@scripts/need build
	@scripts/need browser
	$(CARGO) build --locked -p ta-server --bin target-allocator -p ta-loadgen --bin loadgen
	cd e2e/browser && npm ci --no-audit --no-fund --silent && npm test

lint: fmt clippy firewall licences ## what CI checks before it tests

fmt: ## formatting
	$(CARGO) fmt --all --check

clippy: ## lints, warnings are errors
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

firewall: ## which crate may import which
	scripts/firewall

licences: ## licences, bans, duplicate crates; a licence text for each that is linked
	scripts/licences
	scripts/notices --check

check-each: ## each crate alone, so that its manifest is honest
	@set -e; for crate in $(CRATES); do echo "check $$crate"; $(CARGO) check --locked -q -p $$crate --all-targets; done
	$(CARGO) check --locked -q -p ta-server --no-default-features

doc: ## API documentation, broken links are errors
	RUSTDOCFLAGS="-D rustdoc::broken_intra_doc_links" $(CARGO) doc --locked --workspace --no-deps --document-private-items

fuzz: ## random bytes into whatever takes any, a minute for each target (FUZZ_SECONDS)
	@scripts/need build
	scripts/fuzz $(FUZZ_SECONDS)

fuzz-replay: ## what fuzzing has kept, once more, without libFuzzer
	@scripts/need build
	$(CARGO) test --locked --manifest-path fuzz/Cargo.toml --target-dir target

bench: ## measure, and write bench/RESULTS.md (20 minutes)
	@scripts/need build
	scripts/bench

bench-all: ## the same with every size, up to 2,000,000 targets (hours)
	@scripts/need build
	scripts/bench all

bench-smoke: ## each benchmark once, on the small sizes: it runs at all
	BENCH_SMOKE=1 $(CARGO) bench --locked -p ta-bench --benches -- --test

bench-instructions: ## instruction counts of the hot paths against bench/baseline, 5 % allowed
	@scripts/need build
	scripts/bench-instructions

footprint: ## bytes per target, by part
	$(CARGO) run --release --locked -p ta-bench --bin footprint

balance: ## how evenly the strategies spread targets, and how many they move
	$(CARGO) run --release --locked -p ta-bench --bin balance

static: ## the binary of the image, without an image
	PROFILE=dist scripts/static

notices: ## what comes with the binary: notices of all that is in it, and an SBOM, into target/notices
	@scripts/need build
	@scripts/need sbom
	scripts/notices target/notices

image: ## the container image (needs docker with BuildKit, or podman)
	docker build -t $(IMAGE) .

image-shape: ## run the static binary as the image would: empty read-only root, any uid, PID 1; then the operator's scenarios on it
	scripts/image-shape
	TARGET_ALLOCATOR=$$(scripts/static) $(CARGO) test --locked -p ta-server --test operator

.PHONY: help run test acceptance e2e browser lint fmt clippy firewall licences check-each doc fuzz fuzz-replay bench bench-all bench-smoke bench-instructions footprint balance static notices image image-shape
