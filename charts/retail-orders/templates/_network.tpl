{{/* Rules that several NetworkPolicies share. */}}

{{- define "retail-orders.policyMeta" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
{{ include "retail-orders.meta" . }}
spec:
  podSelector:
    matchLabels:
      {{- include "retail-orders.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end }}

{{/* The pods of one component of this release. */}}
{{- define "retail-orders.ownPeer" -}}
- podSelector:
    matchLabels:
      {{- include "retail-orders.selectorLabels" . | nindent 6 }}
{{- end }}

{{/* The admin port, for the operator pod and Prometheus. Network policies never block the kubelet. */}}
{{- define "retail-orders.adminIngress" -}}
- ports: [{port: admin}]
  from:
    {{- include "retail-orders.ownPeer" (dict "root" .root "name" "operator") | nindent 4 }}
    {{- with .root.Values.networkPolicy.metricsPeers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "retail-orders.dnsEgress" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- end }}

{{/* dict "port" 9093 "peers" [...] */}}
{{- define "retail-orders.serverEgress" -}}
- ports: [{port: {{ .port }}}]
  {{- with .peers }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
