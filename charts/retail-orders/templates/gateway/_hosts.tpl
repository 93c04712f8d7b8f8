{{/* Names of the Ingress's hosts, which may be given as strings or as {host: NAME}. */}}
{{- define "retail-orders.ingressHosts" -}}
{{- range .Values.ingress.hosts }}
- {{ ternary (dict "host" .) . (kindIs "string" .) | dig "host" "" | quote }}
{{- end }}
{{- end }}

{{/* Hosts without a certificate: in no entry of ingress.tls, neither by name nor by a wildcard. */}}
{{- define "retail-orders.hostsWithoutTls" -}}
{{- $hosts := include "retail-orders.ingressHosts" . | fromYamlArray }}
{{- $covered := list }}
{{- range .Values.ingress.tls }}
{{- $covered = concat $covered (.hosts | default $hosts) }}
{{- end }}
{{- range $hosts }}
{{- if not (or (has . $covered) (has (regexReplaceAll "^[^.]+" . "*") $covered)) }}
- {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
