{{/* All helpers except chartName and prefix get a component: dict "root" $ "name" "order-api" "values" .Values.orderApi */}}

{{- define "retail-orders.chartName" -}}
{{- .Values.nameOverride | default .Chart.Name -}}
{{- end }}

{{/* The release's name, followed by nameOverride unless the release's name contains it; or fullnameOverride. */}}
{{- define "retail-orders.prefix" -}}
{{- $name := .Release.Name }}
{{- if not (contains .Values.nameOverride $name) }}
{{- $name = printf "%s-%s" $name .Values.nameOverride }}
{{- end }}
{{- .Values.fullnameOverride | default $name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "retail-orders.fullname" -}}
{{ include "retail-orders.prefix" .root }}-{{ .name }}
{{- end }}

{{/* These must never change: a Deployment's selector is immutable. */}}
{{- define "retail-orders.selectorLabels" -}}
app.kubernetes.io/name: {{ include "retail-orders.chartName" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{/* Labels of an object, each key once: those of the selectors win over "labels" and commonLabels. */}}
{{- define "retail-orders.labels" -}}
{{- $labels := include "retail-orders.selectorLabels" . | fromYaml }}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .root.Release.Service }}
{{- $version := dict "app.kubernetes.io/version" .root.Chart.AppVersion "app.kubernetes.io/part-of" "retail-orders" }}
{{- $_ = set $version "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version) }}
{{- merge $labels (.labels | default dict) .root.Values.commonLabels $version | toYaml }}
{{- end }}

{{/* Name, labels and annotations of an object. "objectName": instead of the component's name; "labels" and "annotations": for
this object. */}}
{{- define "retail-orders.meta" -}}
metadata:
  name: {{ .objectName | default (include "retail-orders.fullname" .) }}
  labels:
    {{- include "retail-orders.labels" . | nindent 4 }}
  {{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* The Secret with an API's tls.crt, tls.key and ca.crt. */}}
{{- define "retail-orders.tlsSecret" -}}
{{ .values.tls.existingSecret | default (printf "%s-tls" (include "retail-orders.fullname" .)) }}
{{- end }}
