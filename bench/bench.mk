##@ Measure it

.PHONY: bench
bench: .venv/.ready-bench ## Measure POST /order beside eight peers, at 1 to 128 connections (20 minutes; needs wrk).
	@exec $(BIN)/python -m bench.run full $(ARGS)

.PHONY: bench-quick
bench-quick: .venv/.ready-bench ## Compare the CPU time of an order with a naive peer's, and with the committed figure (two minutes; needs wrk).
	@exec $(BIN)/python -m bench.run quick $(ARGS)

.venv/.ready-bench: .venv/.ready locks/bench.txt
	@VIRTUAL_ENV="$$PWD/.venv" $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r locks/bench.txt && touch $@
