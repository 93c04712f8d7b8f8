{{/* The services, by name. Each has a file services/NAME.yaml: a template that gets root, name and values. It may have
paths (what the gateway routes to it), calls (the APIs that network policies let it reach), and what only its pod needs:
env, secretFiles (sources of /etc/retail), volumeMounts and volumes. The values of order-api are under `orderApi`, its key.
A service is an API if its values have `tls`: it gets a proxy, a Service, a certificate and routes. It gets a Kafka user if
they have `kafka`. */}}
{{- define "retail-orders.components" -}}
{{- range $path, $_ := .Files.Glob "services/*.yaml" }}
{{- $name := base $path | trimSuffix ".yaml" }}
{{- $key := camelcase $name | untitle }}
{{- $context := dict "root" $ "name" $name "values" (index $.Values $key) "Template" $.Template }}
{{ $name }}:
  key: {{ $key }}
  {{- tpl ($.Files.Get $path) $context | nindent 2 }}
{{- end }}
{{- end }}

{{/* Names of the services that are APIs, as a YAML list. */}}
{{- define "retail-orders.apis" -}}
{{- $names := list }}
{{- range $name, $component := include "retail-orders.components" . | fromYaml }}
{{- if hasKey (index $.Values $component.key) "tls" }}
{{- $names = append $names $name }}
{{- end }}
{{- end }}
{{- toYaml $names }}
{{- end }}
