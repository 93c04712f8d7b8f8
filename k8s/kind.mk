# Targets for a Kubernetes cluster on this machine, included by the Makefile.
KIND_CLUSTER ?= retail
export KIND_CLUSTER

##@ On Kubernetes

.PHONY: kind-up
kind-up: .venv/.ready ## Start the whole system in a kind cluster, on https://127.0.0.1:8443 (OBSERVE=1: with Prometheus; needs docker, kind, helm, kubectl).
	@OBSERVE="$(OBSERVE)" k8s/kind-up.sh

.PHONY: kind-down
kind-down: ## Delete the kind cluster and everything in it.
	@kind delete cluster --name $(KIND_CLUSTER)
	@rm -rf .kind

.PHONY: kind-test
kind-test: .venv/.ready ## Run all tests against the cluster of kind-up (half an hour).
	@KIND_TESTS=1 exec $(BIN)/pytest tests/cluster $(ARGS)

.PHONY: kind-test-short
kind-test-short: .venv/.ready ## Run the short form: install, an order, rejected requests, network policies, rolling restarts under load (3 minutes).
	@KIND_TESTS=1 exec $(BIN)/pytest tests/cluster -m short $(ARGS)

.PHONY: chart-docs
chart-docs: .venv/.ready ## Write the README of the chart from the comments in values.yaml.
	@$(BIN)/python charts/retail-orders/readme.py

.PHONY: image-digests
image-digests: .venv/.ready ## Print values that pin every image to its present digest (VALUES="my-values.yaml"; needs helm, and crane, skopeo or docker).
	@$(BIN)/python k8s/image_digests.py $(VALUES)

.PHONY: preflight
preflight: .venv/.ready ## Say what the cluster of kubectl's context lacks for the chart (VALUES="my-values.yaml" ARGS="--namespace retail --strimzi").
	@$(BIN)/python k8s/preflight.py $(ARGS) $(VALUES)

.PHONY: chart-lint
chart-lint: .venv/.ready ## Run kube-score and checkov over the chart, and compare Helm 3 with Helm 4 (those that are on PATH).
	@exec $(BIN)/pytest -rs tests/chart/test_linters.py $(ARGS)
