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
{{- range $name, $component := include "retail-orders.components" . | fromYaml }}
{{- $set := list }}
{{- range include "retail-orders.env" (dict "root" $ "name" $name "component" $component "values" (index $.Values $component.key)) | fromYamlArray }}
{{- if has .name $set }}
{{- fail (printf "%s.extraEnv has %s, which the chart already sets from another value" $component.key .name) }}
{{- end }}
{{- $set = append $set .name }}
{{- end }}
{{- end }}
{{- if .Values.ingress.enabled }}
{{- if not (and .Values.ingress.host .Values.ingress.tls.existingSecret) }}
{{- fail "ingress.enabled needs ingress.host and ingress.tls.existingSecret: the Ingress is served with TLS only" }}
{{- end }}
{{- end }}
{{- end }}
