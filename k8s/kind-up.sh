#!/usr/bin/env bash
# Starts the whole system on kind. Safe to repeat: existing resources stay, changes are applied.
#
# KIND_CLUSTER      name of the cluster (retail)
# KIND_STAND_INS=1  pull no image: use the images that Docker has, and test programs instead of the operators whose
#                   images are missing (Strimzi, cert-manager); see docs/kubernetes.md. Also needs:
# KIND_ADDON        command that installs the gateway and the metrics server, called with 'gateway' and 'metrics'
# KIND_KAFKA_IMAGE  image of Apache Kafka in Docker
# OBSERVE=1         also Prometheus with the alerts, and the boards (k8s/kind-observe.sh)
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=versions.env
. k8s/versions.env
export KIND_CLUSTER=${KIND_CLUSTER:-retail}
CONTEXT=kind-$KIND_CLUSTER
NAMESPACE=retail
STAND_INS=${KIND_STAND_INS:-}
STARTED=$SECONDS
SERVICES=(services/*/)
SERVICES=("${SERVICES[@]%/}")
SERVICES=("${SERVICES[@]#services/}")

main() {
    for program in docker kind helm kubectl openssl curl; do
        command -v "$program" >/dev/null || fail "$program is missing"
    done
    docker info >/dev/null 2>&1 || fail "Docker is not running"
    [[ ! $STAND_INS || (${KIND_ADDON:-} && ${KIND_KAFKA_IMAGE:-}) ]] ||
        fail "KIND_STAND_INS needs KIND_ADDON and KIND_KAFKA_IMAGE: see docs/kubernetes.md"
    step "cluster $KIND_CLUSTER" cluster
    step "service images" images
    step "operators" operators
    step "namespace and secrets" secrets
    step "Kafka, MongoDB, certificates, gateway" servers
    step "retail-orders" application
    step "https://127.0.0.1:8443" gateway
    cat <<END

Ready after $((SECONDS - STARTED)) s: https://127.0.0.1:8443 (CA certificate: .kind/ca.pem, context: $CONTEXT)

  curl --cacert .kind/ca.pem -H 'Content-Type: application/json' \\
       -d '{"username": "ann", "password": "a long password"}' https://127.0.0.1:8443/api/users
  helm --kube-context $CONTEXT -n $NAMESPACE test retail
END
    [[ ! ${OBSERVE:-} ]] || step "Prometheus, alerts, boards" k8s/kind-observe.sh
}

fail() {
    echo "kind-up: $*" >&2
    exit 1
}

step() {
    local name=$1 start=$SECONDS
    shift
    "$@"
    printf 'kind-up: %-40s %4d s\n' "$name" $((SECONDS - start))
}

kube() { kubectl --context "$CONTEXT" --namespace "$NAMESPACE" "$@"; }

stand_in() { PYTHONPATH=tests .venv/bin/python -m support.stand_ins "$@"; }

cluster() {
    if ! kind get clusters 2>/dev/null | grep -qx "$KIND_CLUSTER"; then
        kind create cluster --name "$KIND_CLUSTER" --config k8s/kind.yaml --image "$KIND_NODE_IMAGE" --wait 180s --quiet
    fi
    kubectl --context "$CONTEXT" wait node --all --for condition=Ready --timeout 180s >/dev/null
}

# The tag is the image's id, so that pods are replaced exactly when the code changes.
images() {
    local service image member program
    mkdir -p .kind
    : >.kind/images
    for service in "${SERVICES[@]}" operator; do
        member=services/$service program=$service
        [[ $service != operator ]] || member=cli program='retail --help'
        image=$(docker build --quiet --build-arg "SERVICE=$service" --build-arg "MEMBER=$member" \
            --build-arg "PROGRAM=$program" --build-arg REVISION="$(git rev-parse HEAD 2>/dev/null || echo unknown)" .)
        image=${image#sha256:}
        docker tag "$image" "retail-orders/$service:${image:0:12}"
        echo "$service ${image:0:12}" >>.kind/images
    done
    local names=()
    while read -r service image; do names+=("retail-orders/$service:$image"); done <.kind/images
    if [[ $STAND_INS ]]; then
        names+=("mongo:$MONGODB" "$KIND_KAFKA_IMAGE" "nginxinc/nginx-unprivileged:$NGINX")
    fi
    kind load docker-image --quiet --name "$KIND_CLUSTER" \
        --nodes "$KIND_CLUSTER-worker,$KIND_CLUSTER-worker2" "${names[@]}"
}

# order-api is orderApi in the values.
values_key() {
    awk -F- '{printf $1; for (i = 2; i <= NF; i++) printf toupper(substr($i, 1, 1)) substr($i, 2)}' <<<"$1"
}

tag() { awk -v service="$1" '$1 == service {print $2}' .kind/images; }

operators() {
    if [[ $STAND_INS ]]; then
        local addon
        for addon in gateway metrics; do
            # shellcheck disable=SC2086 # a command and its first argument
            $KIND_ADDON $addon
        done
        stand_in definitions
        return
    fi
    chart cert-manager cert-manager oci://quay.io/jetstack/charts/cert-manager "$CERT_MANAGER" --set crds.enabled=true
    chart strimzi strimzi oci://quay.io/strimzi-helm/strimzi-kafka-operator "$STRIMZI" --set watchAnyNamespace=true \
        --set 'extraEnvs[0].name=STRIMZI_POD_SECURITY_PROVIDER_CLASS,extraEnvs[0].value=restricted'
    chart eg envoy-gateway-system oci://docker.io/envoyproxy/gateway-helm "$ENVOY_GATEWAY" \
        --set config.envoyGateway.provider.kubernetes.leaderElection.disable=true
    chart metrics-server kube-system metrics-server "$METRICS_SERVER" \
        --repo https://kubernetes-sigs.github.io/metrics-server/ --set 'args={--kubelet-insecure-tls}'
}

# chart RELEASE NAMESPACE CHART VERSION OPTION...
chart() {
    helm upgrade --install "$1" "$3" --kube-context "$CONTEXT" --namespace "$2" --create-namespace \
        --version "$4" --wait --timeout 300s "${@:5}" >/dev/null
}

secrets() {
    kubectl --context "$CONTEXT" apply --server-side --filename k8s/kind/namespace.yaml >/dev/null
    CONTEXT=$CONTEXT NAMESPACE=$NAMESPACE k8s/secrets.sh
}

servers() {
    local resources image
    image=retail-orders/order-processor:$(tag order-processor)
    kube delete job mongodb-set-up --ignore-not-found >/dev/null
    resources=$(kubectl kustomize k8s/kind)
    kube apply --server-side --force-conflicts --filename - >/dev/null \
        <<<"${resources//retail-orders\/order-processor:dev/$image}"
    if [[ $STAND_INS ]]; then
        stand_in certificates
        stand_in kafka "$KIND_KAFKA_IMAGE" "$image"
    fi
    kube wait certificate --all --for condition=Ready --timeout 120s >/dev/null
    kube wait kafka/retail --for condition=Ready --timeout 600s >/dev/null
    kube wait kafkatopic,kafkauser --all --for condition=Ready --timeout 120s >/dev/null
    kube rollout status statefulset/mongodb --timeout 300s >/dev/null
    kube wait job/mongodb-set-up --for condition=Complete --timeout 300s >/dev/null
}

application() {
    local service tag tags=()
    while read -r service tag; do tags+=(--set "$(values_key "$service").image.tag=$tag"); done <.kind/images
    helm upgrade --install retail charts/retail-orders --kube-context "$CONTEXT" --namespace "$NAMESPACE" \
        --values charts/retail-orders/ci/kind-values.yaml "${tags[@]}" >/dev/null
    [[ ! $STAND_INS ]] || stand_in certificates
    for service in "${SERVICES[@]}"; do
        kube rollout status "deployment/retail-$service" --timeout 300s >/dev/null
    done
}

gateway() {
    kube get secret gateway-tls --output 'go-template={{index .data "ca.crt" | base64decode}}' >.kind/ca.pem
    kube wait gateway/gateway --for condition=Programmed --timeout 120s >/dev/null
    for _ in {1..60}; do
        curl --silent --fail --cacert .kind/ca.pem --max-time 5 --output /dev/null \
            https://127.0.0.1:8443/.well-known/jwks.json && return
        sleep 1
    done
    fail "no response from https://127.0.0.1:8443"
}

main
