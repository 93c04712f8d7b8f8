{{/* Fails with a sentence when values contradict each other or a required one is missing. */}}
{{- define "retail-orders.validate" -}}
{{- if not .Values.kafka.bootstrapServers }}
{{- fail "kafka.bootstrapServers is required: set it to the brokers, for example retail-kafka-bootstrap:9093" }}
{{- end }}
{{- range splitList "," .Values.kafka.bootstrapServers }}
{{- if and $.Values.networkPolicy.enabled (not (hasSuffix (printf ":%d" (int $.Values.kafka.port)) .)) }}
{{- fail (printf "kafka.bootstrapServers has %s, but network policies allow only kafka.port, %d: set kafka.port to the port of the brokers" . (int $.Values.kafka.port)) }}
{{- end }}
{{- end }}
{{- if not .Values.auth.existingSecret }}
{{- fail "auth.existingSecret is required: set it to the Secret with the Ed25519 keys that sign tokens (KID.pem)" }}
{{- end }}
{{- $components := dict }}
{{- range $name, $component := include "retail-orders.components" . | fromYaml }}
{{- $_ := set $components $component.key (index $.Values $component.key) }}
{{- end }}
{{- if .Values.operator.enabled }}
{{- $_ := set $components "operator" .Values.operator }}
{{- end }}
{{- range $name, $values := $components }}
{{- if not $values.mongodb.existingSecret }}
{{- fail (printf "%s.mongodb.existingSecret is required: set it to the Secret whose key %q holds the connection string of its MongoDB user" $name $values.mongodb.key) }}
{{- end }}
{{- if hasKey $values "kafka" }}
{{- if not $values.kafka.existingSecret }}
{{- fail (printf "%s.kafka.existingSecret is required: set it to the Secret whose key %q holds the password of its Kafka user" $name $values.kafka.key) }}
{{- end }}
{{- end }}
{{- if and (hasKey $values "tls") (not $.Values.certificates.enabled) }}
{{- if not $values.tls.existingSecret }}
{{- fail (printf "%s has no certificate: set %s.tls.existingSecret, or certificates.enabled with an issuer" $name $name) }}
{{- end }}
{{- end }}
{{- if and (dig "autoscaling" "enabled" false $values) (not (kindIs "invalid" $values.replicas)) }}
{{- fail (printf "%s.replicas is set, and the autoscaler owns the number: set %s.autoscaling.minReplicas instead, or %s.autoscaling.enabled to false" $name $name $name) }}
{{- end }}
{{- if and (hasKey $values "autoscaling") (gt (int $values.autoscaling.minReplicas) (int $values.autoscaling.maxReplicas)) }}
{{- fail (printf "%s.autoscaling: minReplicas is greater than maxReplicas" $name) }}
{{- end }}
{{- end }}
{{- if and .Values.certificates.enabled (not .Values.certificates.issuerRef.name) }}
{{- fail "certificates.enabled needs certificates.issuerRef.name" }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "httpRoute.enabled needs httpRoute.parentRefs: the Gateway that the route attaches to" }}
{{- end }}
{{- if and .Values.monitoring.monitors .Values.networkPolicy.enabled (not .Values.networkPolicy.metricsPeers) }}
{{- fail "monitoring.monitors needs networkPolicy.metricsPeers: without it network policies block the pods of Prometheus" }}
{{- end }}
{{- include "retail-orders.validateTracing" . }}
{{- include "retail-orders.validateLabels" . }}
{{- include "retail-orders.validateAdditions" . }}
{{- if and .Values.serviceAccount.name .Values.serviceAccount.create }}
{{- fail "serviceAccount.name is one account for every pod: set serviceAccount.create to false and create it yourself, or set the name of each component, as in orderApi.serviceAccount.name" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "ingress.enabled needs ingress.hosts" }}
{{- end }}
{{- if .Values.ingress.enabled }}
{{- range include "retail-orders.hostsWithoutTls" . | fromYamlArray }}
{{- fail (printf "ingress.tls has no entry for %s: the Ingress is served with TLS only" .) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Labels that selectors and Helm rely on cannot be set. */}}
{{- define "retail-orders.validateLabels" -}}
{{- $maps := dict "commonLabels" .Values.commonLabels "podLabels" .Values.podLabels }}
{{- $keys := list "operator" "test" }}
{{- range include "retail-orders.components" . | fromYaml }}
{{- $keys = append $keys .key }}
{{- end }}
{{- range $keys }}
{{- $_ := set $maps (printf "%s.podLabels" .) ((index $.Values .).podLabels | default dict) }}
{{- end }}
{{- range $name, $labels := $maps }}
{{- range list "name" "instance" "component" "managed-by" }}
{{- if hasKey $labels (printf "app.kubernetes.io/%s" .) }}
{{- fail (printf "%s has app.kubernetes.io/%s, which the chart sets: selectors and Helm rely on it (nameOverride changes the name)" $name .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Kubernetes rejects two list items of one name; the chart's own come first, so a repeated one is the values'. */}}
{{- define "retail-orders.validateAdditions" -}}
{{- $deployments := dict }}
{{- range $name, $component := include "retail-orders.components" . | fromYaml }}
{{- $c := dict "root" $ "name" $name "component" $component "values" (index $.Values $component.key) }}
{{- $_ := set $deployments $component.key (include "retail-orders.deployment" $c | fromYaml) }}
{{- end }}
{{- if .Values.operator.enabled }}
{{- $c := dict "root" $ "name" "operator" "values" .Values.operator }}
{{- $_ := set $deployments "operator" (include "retail-orders.operatorDeployment" $c | fromYaml) }}
{{- end }}
{{- range $key, $deployment := $deployments }}
{{- $container := first $deployment.spec.template.spec.containers }}
{{- include "retail-orders.validateUnique" (dict "setting" (printf "%s.extraEnv" $key) "items" $container.env "field" "name") }}
{{- include "retail-orders.validateUnique" (dict "setting" (printf "%s.extraVolumes" $key) "items" $deployment.spec.template.spec.volumes "field" "name") }}
{{- include "retail-orders.validateUnique" (dict "setting" (printf "%s.extraVolumeMounts" $key) "items" $container.volumeMounts "field" "mountPath") }}
{{- end }}
{{- end }}

{{- define "retail-orders.validateUnique" -}}
{{- $seen := list }}
{{- range .items }}
{{- $value := index . $.field }}
{{- if has $value $seen }}
{{- fail (printf "%s has %s, which the chart already sets, or which is there twice" $.setting $value) }}
{{- end }}
{{- $seen = append $seen $value }}
{{- end }}
{{- end }}
