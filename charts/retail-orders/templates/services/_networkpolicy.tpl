{{/* An API accepts HTTPS from the gateway, from the services that call it, and from the helm test. */}}
{{- define "retail-orders.networkPolicy" -}}
{{- if .root.Values.networkPolicy.enabled -}}
{{ include "retail-orders.policyMeta" . }}
  ingress:
    {{- if hasKey .values "tls" }}
    - ports: [{port: https}]
      {{- with .root.Values.networkPolicy.gatewayPeers }}
      from:
        {{- toYaml . | nindent 8 }}
        {{- range $caller, $component := include "retail-orders.components" $.root | fromYaml }}
        {{- if has $.name ($component.calls | default list) }}
        {{- include "retail-orders.ownPeer" (dict "root" $.root "name" $caller) | nindent 8 }}
        {{- end }}
        {{- end }}
        {{- include "retail-orders.ownPeer" (dict "root" $.root "name" "test") | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- include "retail-orders.adminIngress" . | nindent 4 }}
  egress:
    {{- include "retail-orders.dnsEgress" . | nindent 4 }}
    {{- include "retail-orders.serverEgress" .root.Values.mongodb | nindent 4 }}
    {{- if hasKey .values "kafka" }}
    {{- include "retail-orders.serverEgress" .root.Values.kafka | nindent 4 }}
    {{- end }}
    {{- if .root.Values.tracing.endpoint }}
    {{- include "retail-orders.serverEgress" .root.Values.tracing | nindent 4 }}
    {{- end }}
    {{- with .component.calls }}
    - ports: [{port: https}]
      to:
        {{- range . }}
        {{- include "retail-orders.ownPeer" (dict "root" $.root "name" .) | nindent 8 }}
        {{- end }}
    {{- end }}
{{- end }}
{{- end }}
