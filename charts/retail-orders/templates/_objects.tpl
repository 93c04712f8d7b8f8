{{/* The small objects of a component. One that does not apply renders nothing. */}}

{{- define "retail-orders.serviceAccount" -}}
{{- $account := (include "retail-orders.setting" (dict "c" . "key" "serviceAccount") | fromJson).value }}
{{- if $account.create -}}
{{- $names := dict "objectName" (include "retail-orders.serviceAccountName" .) "annotations" $account.annotations }}
apiVersion: v1
kind: ServiceAccount
{{ include "retail-orders.meta" (merge $names .) }}
automountServiceAccountToken: false
{{- end }}
{{- end }}

{{- define "retail-orders.service" -}}
{{- if hasKey .values "tls" -}}
{{- $service := (include "retail-orders.setting" (dict "c" . "key" "service") | fromJson).value }}
apiVersion: v1
kind: Service
{{ include "retail-orders.meta" (merge (dict "annotations" $service.annotations) .) }}
spec:
  {{- with $service.ipFamilyPolicy }}
  ipFamilyPolicy: {{ . }}
  {{- end }}
  {{- with $service.ipFamilies }}
  ipFamilies: {{ toJson . }}
  {{- end }}
  selector:
    {{- include "retail-orders.selectorLabels" . | nindent 4 }}
  ports:
    - {name: https, port: 8443, targetPort: https, appProtocol: https}
    - {name: admin, port: 9090, targetPort: admin} # for Prometheus; NetworkPolicies decide who may connect
{{- end }}
{{- end }}

{{/* Helm 4 fails if another client owns spec.replicas, so the field is rendered only on request. */}}
{{- define "retail-orders.deploymentSettings" -}}
{{- if not (kindIs "invalid" .values.replicas) }}
replicas: {{ .values.replicas }}
{{- end }}
revisionHistoryLimit: 5
strategy:
  rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
selector:
  matchLabels:
    {{- include "retail-orders.selectorLabels" . | nindent 4 }}
{{- end }}

{{- define "retail-orders.pdb" -}}
{{- $atMostOne := and (not (kindIs "invalid" .values.replicas)) (le (int .values.replicas) 1) }}
{{- if and .root.Values.podDisruptionBudget.enabled (not $atMostOne) -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
{{ include "retail-orders.meta" . }}
spec:
  maxUnavailable: {{ .root.Values.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "retail-orders.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end }}

{{/* Measures the container of the service only, without the proxy. */}}
{{- define "retail-orders.hpa" -}}
{{- $scaleDown := dict "stabilizationWindowSeconds" .values.autoscaling.scaleDownStabilizationSeconds }}
{{- if .values.autoscaling.enabled -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
{{ include "retail-orders.meta" . }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "retail-orders.fullname" . }}}
  minReplicas: {{ .values.autoscaling.minReplicas }}
  maxReplicas: {{ .values.autoscaling.maxReplicas }}
  metrics:
    - type: ContainerResource
      containerResource:
        name: cpu
        container: {{ .name }}
        target: {type: Utilization, averageUtilization: {{ .values.autoscaling.targetCPUUtilizationPercentage }}}
  behavior:
    {{- mergeOverwrite (dict "scaleDown" $scaleDown) (deepCopy .values.autoscaling.behavior) | toYaml | nindent 4 }}
{{- end }}
{{- end }}

{{/* The certificate of an API, for its names inside the cluster. */}}
{{- define "retail-orders.certificate" -}}
{{- if and .root.Values.certificates.enabled (hasKey .values "tls") (not (.values.tls).existingSecret) -}}
{{- $name := include "retail-orders.fullname" . -}}
apiVersion: cert-manager.io/v1
kind: Certificate
{{ include "retail-orders.meta" . }}
spec:
  secretName: {{ include "retail-orders.tlsSecret" . }}
  issuerRef: {name: {{ .root.Values.certificates.issuerRef.name }}, kind: {{ .root.Values.certificates.issuerRef.kind }}}
  duration: {{ .root.Values.certificates.duration }}
  renewBefore: {{ .root.Values.certificates.renewBefore }}
  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
  dnsNames:
    - {{ $name }}
    - {{ $name }}.{{ .root.Release.Namespace }}
    - {{ $name }}.{{ .root.Release.Namespace }}.svc
    - {{ $name }}.{{ .root.Release.Namespace }}.svc.cluster.local
{{- end }}
{{- end }}
