.PHONY: test-clients
test-clients: .venv/.ready-clients ## Generate clients from the OpenAPI documents, use them, and try the API by its documents (2 minutes).
	@CLIENT_TESTS=1 exec $(BIN)/pytest tests/clients $(ARGS)

.venv/.ready-clients: .venv/.ready locks/clients.txt
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv/clients
	@$(BIN)/uv pip sync --quiet --python .venv/clients/bin/python --require-hashes locks/clients.txt && touch $@
