# The menu. A target is at most three lines; longer work is in scripts/.

.DEFAULT_GOAL := help
CARGO_RUN := cargo run --package agent-server --
CARGO_TEST := cargo test --workspace

.PHONY: help
help: ## Show this menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ui ## Start the server on :3000 with an embedded database, a demo agent and the Admin UI
	AGENT_SERVER_UI_DIR=ui/dist $(CARGO_RUN) dev

.PHONY: release
release: ui ## Build the program for production, with the Admin UI in it
	touch crates/server/src/ui.rs
	cargo build --release --locked --package agent-server --features embed-ui

.PHONY: dev
dev: ## The same, and build and start again whenever a source file changes
	scripts/watch $(CARGO_RUN) dev

.PHONY: test
test: ## Run all tests, on the embedded database and on a PostgreSQL that this brings
	scripts/postgres run $(CARGO_TEST)

.PHONY: crash
crash: ## Kill the server 200 times on each database while runs are under way, and check each run
	CRASH_KILLS=$${CRASH_KILLS:-200} scripts/postgres run cargo test --package agent-server --test process -- --nocapture killed_at_random

.PHONY: test-real
test-real: ## Drive the real binary with clients that others wrote (installs them)
	scripts/test-real

.PHONY: conformance
conformance: ## Hold what speaks MCP to the suite of the protocol (installs it)
	scripts/test-real conformance

.PHONY: test-stores
test-stores: ## Hold vector stores that others wrote to the suites of our own (installs Chroma)
	scripts/postgres run scripts/chroma run $(CARGO_TEST) --test stores

.PHONY: ui
ui: ## Build the Admin UI, which needs Node; without npm the server goes without
	scripts/ui build

.PHONY: check-ui
check-ui: ## Check format, lints and types of the Admin UI, and run the tests of its logic
	scripts/ui check

.PHONY: test-ui
test-ui: ## Drive the real binary with a browser (installs Node packages, and Chromium by apt)
	scripts/ui test

.PHONY: test-ui-embedded
test-ui-embedded: ## Build the program with the Admin UI in it, and drive that
	scripts/ui embedded session story shell

.PHONY: screenshots
screenshots: ## Write pictures of every page to target/ui/screenshots
	scripts/ui screenshots pages

.PHONY: test-watch
test-watch: ## Run the tests again whenever a source file changes
	scripts/postgres run scripts/watch $(CARGO_TEST)

.PHONY: test-coverage
test-coverage: ## Run all tests and say how much of each file they reach
	scripts/coverage

.PHONY: check
check: ## Check format, lints, documentation, architecture and dependencies
	scripts/check

.PHONY: accept
accept: ## Rewrite the expected texts in the tests; the diff is the review
	UPDATE_EXPECT=1 scripts/postgres run $(CARGO_TEST)

.PHONY: api
api: ## Rewrite openapi.json and docs/CONFIGURATION.md from the code
	UPDATE_EXPECT=1 $(CARGO_TEST) generated

.PHONY: bench
bench: ## Measure the release server on each database, beside a fake model called directly
	scripts/bench

.PHONY: soak
soak: ## Load the release server for ten minutes on each database; fails if memory grows
	scripts/bench soak

.PHONY: db
db: ## Open a shell beside a PostgreSQL of its own, with DATABASE_URL set
	scripts/postgres run sh -c 'DATABASE_URL=$$TEST_DATABASE_URL exec $${SHELL:-sh}'

.PHONY: ci
ci: ## What CI runs: check, then test
	.ci/run
