##@ Measure it

.PHONY: bench
bench: .venv/.ready-bench ## Measure beside eight peers, and write docs/performance.md (27 minutes; needs wrk).
	@exec $(BIN)/python -m bench.run full --json docs/performance.json --page docs/performance.md $(ARGS)

.PHONY: bench-quick
bench-quick: .venv/.ready-bench ## Compare the CPU time of an order with a naive peer's, and with the committed figure (two minutes; needs wrk).
	@exec $(BIN)/python -m bench.run quick $(ARGS)

.PHONY: bench-growth
bench-growth: .venv/.ready-bench ## Measure reads and new orders among 10 thousand, 1 and 5 million orders (about an hour; needs wrk).
	@mkdir -p .results && exec $(BIN)/python -m bench.growth --json .results/growth.json $(ARGS)

.PHONY: bench-overhead
bench-overhead: .venv/.ready-bench ## Measure what metrics, logs and traces cost in CPU time of an order (5 minutes; needs wrk).
	@exec $(BIN)/python -m bench.overhead $(ARGS)

.PHONY: bench-drain
bench-drain: .venv/.ready-bench ## Measure how long new orders take while 100,000 others are published (seven minutes).
	@exec $(BIN)/python -m bench.drain_latency $(ARGS)

.PHONY: bench-replicas
bench-replicas: .venv/.ready-bench ## Measure new orders with one to four replicas of order-api (five minutes; needs wrk).
	@exec $(BIN)/python -m bench.replicas $(ARGS)

.venv/.ready-bench: .venv/.ready locks/bench.txt
	@VIRTUAL_ENV="$$PWD/.venv" $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r locks/bench.txt && touch $@
