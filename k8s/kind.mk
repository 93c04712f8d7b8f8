# Targets for a real Kubernetes on this machine; the Makefile includes them.
KIND_CLUSTER ?= retail
export KIND_CLUSTER

##@ On Kubernetes

.PHONY: kind-up
kind-up: .venv/.ready ## Bring the whole system up in a kind cluster, on https://127.0.0.1:8443 (needs docker, kind, helm, kubectl).
	@k8s/kind-up.sh

.PHONY: kind-down
kind-down: ## Delete the kind cluster and all that is in it.
	@kind delete cluster --name $(KIND_CLUSTER)
	@rm -rf .kind

.PHONY: kind-test
kind-test: .venv/.ready ## Run every test of the cluster that kind-up made (16 minutes).
	@KIND_TESTS=1 exec $(BIN)/pytest tests/cluster $(ARGS)

.PHONY: kind-test-short
kind-test-short: .venv/.ready ## Run its short form: install, an order, refusals, network policy, rolling restarts under load (2 minutes).
	@KIND_TESTS=1 exec $(BIN)/pytest tests/cluster -m short $(ARGS)

.PHONY: chart-docs
chart-docs: .venv/.ready ## Write the chart's README from the comments in its values.
	@$(BIN)/python charts/retail-orders/readme.py
