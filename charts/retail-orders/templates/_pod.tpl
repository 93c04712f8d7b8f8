{{/* Parts of a pod. Together they satisfy the restricted Pod Security standard. */}}

{{- define "retail-orders.podMeta" -}}
labels:
  {{- include "retail-orders.selectorLabels" . | nindent 2 }}
  {{- if hasKey .values "kafka" }}
  retail-orders/uses-kafka: "true" # Kafka's network policy admits these pods
  {{- end }}
  {{- with .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  kubectl.kubernetes.io/default-container: {{ .name }}
  {{- with .root.Values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* 45 s = 5 s until the gateway stops sending to the pod + 30 s for requests in flight + a margin. */}}
{{- define "retail-orders.podSettings" -}}
serviceAccountName: {{ include "retail-orders.fullname" . }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: 45
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
topologySpreadConstraints:
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "retail-orders.selectorLabels" $ | nindent 8 }}
  {{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "retail-orders.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: {{ .root.Values.podSecurity.readOnlyRootFilesystem }}
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Image, resources, probes and preStop of the service's container. An API stops after its proxy has closed idle connections. */}}
{{- define "retail-orders.serviceContainer" -}}
name: {{ .name }}
image: {{ include "retail-orders.image" . }}
imagePullPolicy: {{ .root.Values.imagePullPolicy }}
{{ include "retail-orders.containerSecurity" . }}
resources:
  {{- toYaml .values.resources | nindent 2 }}
startupProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
lifecycle:
  preStop:
    sleep: {seconds: {{ ternary 12 5 (hasKey .values "tls") }}}
{{- end }}

{{/* Environment of every service; secrets are files in /etc/retail. */}}
{{- define "retail-orders.commonEnv" -}}
- {name: LOG_LEVEL, value: {{ .root.Values.logLevel | quote }}}
- {name: ADMIN_BIND, value: "0.0.0.0:9090"}
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
