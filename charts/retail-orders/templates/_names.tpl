{{/* Every helper but the prefix takes a component: dict "root" $ "name" "order-api" "values" .Values.orderApi */}}

{{- define "retail-orders.prefix" -}}
{{- .Values.fullnameOverride | default .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "retail-orders.fullname" -}}
{{ include "retail-orders.prefix" .root }}-{{ .name }}
{{- end }}

{{/* These must never change: a Deployment's selector is immutable. */}}
{{- define "retail-orders.selectorLabels" -}}
app.kubernetes.io/name: retail-orders
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{- define "retail-orders.labels" -}}
{{ include "retail-orders.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: retail-orders
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "retail-orders.image" -}}
{{ .root.Values.imageRegistry }}{{ .values.image.repository }}:{{ .values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* The Secret with an API's tls.crt, tls.key and ca.crt. */}}
{{- define "retail-orders.tlsSecret" -}}
{{ .values.tls.existingSecret | default (printf "%s-tls" (include "retail-orders.fullname" .)) }}
{{- end }}
