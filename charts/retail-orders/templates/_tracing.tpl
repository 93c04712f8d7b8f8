{{/* What the services need to export traces; nothing without an endpoint. */}}

{{- define "retail-orders.tracingEnv" -}}
{{- with .root.Values.tracing }}
{{- if .endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .endpoint | quote }}}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ .sampleRatio | quote }}}
{{- if .headers.existingSecret }}
- {name: OTEL_EXPORTER_OTLP_HEADERS_FILE, value: /etc/retail/otlp-headers}
{{- end }}
{{- if .ca.existingSecret }}
- {name: OTEL_EXPORTER_OTLP_CERTIFICATE, value: /etc/retail/otlp-ca.crt}
{{- end }}
{{- if hasKey $.values "tls" }}
- {name: TRACING_TRUST_CLIENTS, value: {{ .trustClients | quote }}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "retail-orders.tracingFiles" -}}
{{- with .root.Values.tracing }}
{{- if and .endpoint .headers.existingSecret }}
{{ include "retail-orders.secretFile" (dict "secret" .headers.existingSecret "key" .headers.key "path" "otlp-headers") }}
{{- end }}
{{- if and .endpoint .ca.existingSecret }}
{{ include "retail-orders.secretFile" (dict "secret" .ca.existingSecret "key" .ca.key "path" "otlp-ca.crt") }}
{{- end }}
{{- end }}
{{- end }}

{{- define "retail-orders.validateTracing" -}}
{{- with .Values.tracing }}
{{- if and .endpoint $.Values.networkPolicy.enabled (not (hasSuffix (printf ":%d" (int .port)) (urlParse .endpoint).host)) }}
{{- fail (printf "tracing.endpoint is %s, but network policies allow only tracing.port, %d: write this port in the endpoint, or set tracing.port" .endpoint (int .port)) }}
{{- end }}
{{- end }}
{{- end }}
