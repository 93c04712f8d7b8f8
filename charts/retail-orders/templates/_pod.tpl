{{/* Parts of a pod. Together they satisfy the restricted Pod Security standard. */}}

{{- define "retail-orders.podMeta" -}}
{{- $labels := (include "retail-orders.setting" (dict "c" . "key" "podLabels") | fromJson).value }}
{{- $annotations := (include "retail-orders.setting" (dict "c" . "key" "podAnnotations") | fromJson).value }}
{{- $own := dict "kubectl.kubernetes.io/default-container" .name }}
{{- if hasKey .values "tls" }}
{{- $config := include (print .root.Template.BasePath "/proxy/configmap.yaml") .root }}
{{- $_ := set $own "checksum/proxy" (sha256sum $config) }}
{{- end }}
labels:
  {{- $selector := include "retail-orders.selectorLabels" . | fromYaml }}
  {{- if hasKey .values "kafka" }}
  {{- $_ := set $selector "retail-orders/uses-kafka" "true" }} {{- /* Kafka's network policy admits these pods */}}
  {{- end }}
  {{- merge $selector $labels .root.Values.commonLabels | toYaml | nindent 2 }}
annotations:
  {{- merge $own $annotations .root.Values.commonAnnotations | toYaml | nindent 2 }}
{{- end }}

{{/* 45 s = 5 s until the gateway stops sending to the pod + 30 s for requests in flight + a margin. */}}
{{- define "retail-orders.podSettings" -}}
serviceAccountName: {{ include "retail-orders.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: 45
{{ include "retail-orders.settingField" (dict "c" . "key" "podSecurityContext" "as" "securityContext") }}
{{- with include "retail-orders.imagePullSecrets" . }}
imagePullSecrets:
  {{- . | nindent 2 }}
{{- end }}
{{- with include "retail-orders.topologySpread" . | fromYamlArray }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- range list "priorityClassName" "nodeSelector" "tolerations" "affinity" }}
{{- with include "retail-orders.settingField" (dict "c" $ "key" .) }}
{{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* By default pods spread over hosts and zones. A constraint without labelSelector applies to the component's pods. */}}
{{- define "retail-orders.topologySpread" -}}
{{- $constraints := (include "retail-orders.setting" (dict "c" . "key" "topologySpreadConstraints") | fromJson).value }}
{{- if kindIs "invalid" $constraints }}
{{- $constraints = list }}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
{{- $constraints = append $constraints (dict "maxSkew" 1 "topologyKey" . "whenUnsatisfiable" "ScheduleAnyway") }}
{{- end }}
{{- end }}
{{- range $constraints }}
{{- $selector := dict "matchLabels" (include "retail-orders.selectorLabels" $ | fromYaml) }}
{{- $own := dict "labelSelector" $selector "matchLabelKeys" (list "pod-template-hash") }}
- {{- ternary . (merge (dict) . $own) (hasKey . "labelSelector") | toYaml | nindent 2 }}
{{- end }}
{{- end }}

{{/* Image, security, resources and additions of a component's own container. */}}
{{- define "retail-orders.container" -}}
image: {{ include "retail-orders.image" . }}
imagePullPolicy: {{ include "retail-orders.pullPolicy" . }}
{{ include "retail-orders.settingField" (dict "c" . "key" "containerSecurityContext" "as" "securityContext") }}
resources:
  {{- toYaml .values.resources | nindent 2 }}
{{- with include "retail-orders.settingField" (dict "c" . "key" "envFrom") }}
{{ . }}
{{- end }}
{{- end }}

{{/* dict "c" COMPONENT "key" "livenessProbe" "check" {httpGet: …} */}}
{{- define "retail-orders.probe" -}}
{{ .key }}:
  {{- toYaml .check | nindent 2 }}
  {{- (include "retail-orders.setting" . | fromJson).value | toYaml | nindent 2 }}
{{- end }}

{{/* The service's container up to its ports. An API stops after its proxy has closed idle connections. */}}
{{- define "retail-orders.serviceContainer" -}}
name: {{ .name }}
{{ include "retail-orders.container" . }}
{{- range $key, $path := dict "startupProbe" "/livez" "livenessProbe" "/livez" "readinessProbe" "/readyz" }}
{{ include "retail-orders.probe" (dict "c" $ "key" $key "check" (dict "httpGet" (dict "path" $path "port" "admin"))) }}
{{- end }}
lifecycle:
  preStop:
    sleep: {seconds: {{ ternary 12 5 (hasKey .values "tls") }}}
{{- end }}

{{/* Environment of every service; secrets are files in /etc/retail. */}}
{{- define "retail-orders.commonEnv" -}}
- {name: LOG_LEVEL, value: {{ .root.Values.logLevel | quote }}}
- {name: ADMIN_BIND, value: "[::]:9090"} # both families
{{ include "retail-orders.mongodbEnv" . }}
{{- end }}

{{- define "retail-orders.mongodbEnv" -}}
- {name: MONGODB_URI_FILE, value: /etc/retail/mongodb-uri}
- {name: MONGODB_DATABASE, value: {{ .root.Values.mongodb.database | quote }}}
- {name: MONGODB_CA_FILE, value: {{ ternary "/etc/retail/mongodb-ca.crt" "/etc/ssl/certs/ca-certificates.crt" (ne .root.Values.mongodb.ca.existingSecret "") }}}
{{- end }}

{{- define "retail-orders.kafkaEnv" -}}
- {name: KAFKA_BOOTSTRAP_SERVERS, value: {{ .root.Values.kafka.bootstrapServers | quote }}}
- {name: KAFKA_USERNAME, value: {{ .values.kafka.username | quote }}}
- {name: KAFKA_PASSWORD_FILE, value: /etc/retail/kafka-password}
- {name: KAFKA_CA_FILE, value: {{ ternary "/etc/retail/kafka-ca.crt" "/etc/ssl/certs/ca-certificates.crt" (ne .root.Values.kafka.ca.existingSecret "") }}}
{{- end }}

{{- define "retail-orders.httpEnv" -}}
- {name: HTTP_BIND, value: "127.0.0.1:8080"}
- {name: HTTP_THREADS, value: {{ .values.threads | quote }}}
- {name: TRUSTED_PROXIES, value: "1"} # the proxy in the same pod, which sets the client's address
- {name: PROXY_STATUS_BIND, value: "127.0.0.1:9091"} # as in own_answers.conf
- {name: AUTH_ISSUER, value: {{ .root.Values.auth.issuer | quote }}}
- {name: AUTH_AUDIENCE, value: {{ .root.Values.auth.audience | quote }}}
{{- end }}

{{/* Sources of the projected volume at /etc/retail. */}}
{{- define "retail-orders.secretFile" -}}
- secret:
    name: {{ .secret }}
    items: [{key: {{ .key }}, path: {{ .path }}}]
{{- end }}

{{- define "retail-orders.mongodbFiles" -}}
{{ include "retail-orders.secretFile" (dict "secret" .values.mongodb.existingSecret "key" .values.mongodb.key "path" "mongodb-uri") }}
{{- with .root.Values.mongodb.ca }}
{{- if .existingSecret }}
{{ include "retail-orders.secretFile" (dict "secret" .existingSecret "key" .key "path" "mongodb-ca.crt") }}
{{- end }}
{{- end }}
{{- end }}

{{- define "retail-orders.kafkaFiles" -}}
{{ include "retail-orders.secretFile" (dict "secret" .values.kafka.existingSecret "key" .values.kafka.key "path" "kafka-password") }}
{{- with .root.Values.kafka.ca }}
{{- if .existingSecret }}
{{ include "retail-orders.secretFile" (dict "secret" .existingSecret "key" .key "path" "kafka-ca.crt") }}
{{- end }}
{{- end }}
{{- end }}
