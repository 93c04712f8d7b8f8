{{/* The services: each has its values under `key`, and a pod of its own in services/_NAME.tpl. A service is an API if its
values have `tls`: it gets a proxy, a Service, a certificate, and the routes in `paths`. It gets a Kafka user if they have
`kafka`. `calls` are the APIs that network policies let it reach. */}}
{{- define "retail-orders.components" -}}
auth-api: {key: authApi, paths: [/api, /.well-known]}
order-api: {key: orderApi, paths: [/], calls: [auth-api]}
order-processor: {key: orderProcessor}
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
