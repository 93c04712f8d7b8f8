#!/usr/bin/env bash
# Creates the missing Secrets that kind needs, with random values. Values pass through standard input only.
#
# CONTEXT, NAMESPACE: the cluster and namespace to create them in
set -euo pipefail

kube() { kubectl --context "$CONTEXT" --namespace "$NAMESPACE" "$@"; }

missing() { ! kube get secret "$1" --output name >/dev/null 2>&1; }

random() { openssl rand -hex "$1"; }

# secret NAME: create it from `key: value` lines on standard input.
secret() {
    { printf 'apiVersion: v1\nkind: Secret\nmetadata: {name: %s}\nstringData:\n' "$1" && sed 's/^/  /'; } |
        kube create --filename - >/dev/null
}

if missing mongodb-keyfile; then
    printf 'keyfile: %s\n' "$(random 256)" | secret mongodb-keyfile
fi
if missing mongodb-root; then
    printf 'username: root\npassword: %s\n' "$(random 24)" | secret mongodb-root
fi
# The users are the keys of roles.json.
while read -r user; do
    if missing "mongodb-$user"; then
        password=$(random 24)
        host=mongodb-0.mongodb.$NAMESPACE.svc.cluster.local:27017
        printf 'password: %s\nuri: mongodb://%s:%s@%s/?replicaSet=rs0&authSource=retail\n' \
            "$password" "$user" "$password" "$host" | secret "mongodb-$user"
    fi
done < <(sed -n 's/^  "\(.*\)": \[$/\1/p' k8s/mongodb/roles.json)
if missing signing-keys; then
    key=$(openssl genpkey -algorithm ed25519)
    printf '%s.pem: |\n%s\n' "$(date +%Y-%m)" "  ${key//$'\n'/$'\n  '}" | secret signing-keys
fi
