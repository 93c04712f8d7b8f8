# The fault suite: real servers, real kills. Results are written to .results/faults.
# Row 28, the switched-off safeguards, has its own target. A row of the short form that is only too slow is retried once.

##@ Break it

.PHONY: test-faults
test-faults: .venv/.ready ## Run the whole fault suite (hours; resumes where it stopped; ROW=n for one row, SEED=n).
	@FAULTS=full exec $(BIN)/pytest tests/faults --timeout 14400 $(ARGS)

.PHONY: test-faults-short
test-faults-short: .venv/.ready ## Run a short form of every row of the fault suite (less than 20 minutes; ROW=n for one row).
	@[ -n "$$ROW" ] || rm -rf .results/faults/short; export FAULTS=short PYTHONPATH=tests; \
	$(BIN)/pytest tests/faults --timeout 600 $(ARGS) || { \
	[ $$? = 1 ] && $(BIN)/python -m faults.harness.retry && \
	exec $(BIN)/pytest tests/faults --last-failed --last-failed-no-failures none --timeout 600; }

.PHONY: test-mutants
test-mutants: .venv/.ready ## Switch the safeguards off one by one; each breaks a promise (15 minutes).
	@FAULTS=short ROW=28 exec $(BIN)/pytest tests/model/test_mutants.py tests/faults/test_row_28_mutants.py --timeout 600 $(ARGS)

.PHONY: guarantees
guarantees: .venv/.ready ## Write docs/guarantees.md from the last results of the fault suite.
	@PYTHONPATH=tests exec $(BIN)/python -m faults.harness.report
