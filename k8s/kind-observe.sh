#!/usr/bin/env bash
# Adds Prometheus with the alerts, and Grafana with the boards, to the cluster of kind-up.sh. Safe to repeat.
# With KIND_STAND_INS=1 it is Debian's Prometheus without Grafana.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=versions.env
. k8s/versions.env
CLUSTER=${KIND_CLUSTER:-retail}
CONTEXT=kind-$CLUSTER
NAMESPACE=retail
STAND_INS=${KIND_STAND_INS:-}
IMAGE=retail-orders/prometheus:debian

main() {
    [[ $STAND_INS ]] || stack
    helm upgrade retail charts/retail-orders --kube-context "$CONTEXT" --namespace "$NAMESPACE" \
        --reset-then-reuse-values --values k8s/monitoring/retail-orders-values.yaml >/dev/null
    kubectl --context "$CONTEXT" --namespace "$NAMESPACE" apply --server-side \
        --filename k8s/monitoring/kafka.yaml >/dev/null
    [[ ! $STAND_INS ]] || stand_in
    look
}

stack() {
    helm upgrade --install monitoring oci://ghcr.io/prometheus-community/charts/kube-prometheus-stack \
        --kube-context "$CONTEXT" --namespace monitoring --create-namespace --version "$KUBE_PROMETHEUS_STACK" \
        --values k8s/monitoring/values.yaml --wait --timeout 600s >/dev/null
}

stand_in() {
    docker build --quiet --tag "$IMAGE" - <tests/support/stand_ins/prometheus.Dockerfile >/dev/null
    kind load docker-image --quiet --name "$CLUSTER" --nodes "$CLUSTER-worker,$CLUSTER-worker2" "$IMAGE"
    PYTHONPATH=tests .venv/bin/python -m support.stand_ins prometheus "$IMAGE" \
        "retail-orders/order-processor:$(awk '$1 == "order-processor" {print $2}' .kind/images)"
}

look() {
    local forward="kubectl --context $CONTEXT --namespace monitoring port-forward"
    cat <<END

Prometheus: $forward service/prometheus-operated 9090
            then http://127.0.0.1:9090/alerts
END
    if [[ $STAND_INS ]]; then
        echo "Grafana: its image cannot be had here; the boards are in charts/retail-orders/dashboards"
        return
    fi
    cat <<END
Grafana:    $forward service/monitoring-grafana 3000:80
            then http://127.0.0.1:3000/dashboards?tag=retail-orders, as admin with the password of
            kubectl --context $CONTEXT --namespace monitoring get secret monitoring-grafana \\
                --output 'go-template={{index .data "admin-password" | base64decode}}'
END
}

main
