{{/* The Deployment of one service; `component` is its entry in retail-orders.components. */}}

{{- define "retail-orders.env" -}}
{{- include "retail-orders.commonEnv" . }}
{{- if hasKey .values "kafka" }}
{{ include "retail-orders.kafkaEnv" . }}
{{- end }}
{{- if hasKey .values "tls" }}
{{ include "retail-orders.httpEnv" . }}
{{- end }}
{{- include "retail-orders.tracingEnv" . }}
{{- with .component.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "retail-orders.deploymentMeta" -}}
{{- $annotations := (include "retail-orders.setting" (dict "c" . "key" "deploymentAnnotations") | fromJson).value }}
{{- include "retail-orders.meta" (merge (dict "annotations" $annotations) .) }}
{{- end }}

{{/* List items of a setting that is a list, such as extraVolumes; nothing if it is empty. dict "c" COMPONENT "key" KEY */}}
{{- define "retail-orders.extra" -}}
{{- with (include "retail-orders.setting" . | fromJson).value }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- /* extraEnv. A number or a boolean becomes text: Kubernetes accepts nothing else. */ -}}
{{- define "retail-orders.extraEnv" -}}
{{- $entries := list }}
{{- range (include "retail-orders.setting" (dict "c" . "key" "extraEnv") | fromJson).value }}
{{- $isText := not (or (kindIs "float64" .value) (kindIs "bool" .value)) }}
{{- $entries = append $entries ($isText | ternary . (merge (dict "value" (toJson .value)) .)) }}
{{- end }}
{{- with $entries }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- define "retail-orders.deployment" -}}
{{- $isApi := hasKey .values "tls" -}}
apiVersion: apps/v1
kind: Deployment
{{ include "retail-orders.deploymentMeta" . }}
spec:
  {{- include "retail-orders.deploymentSettings" . | nindent 2 }}
  template:
    metadata:
      {{- include "retail-orders.podMeta" . | nindent 6 }}
    spec:
      {{- include "retail-orders.podSettings" . | nindent 6 }}
      containers:
        - {{- include "retail-orders.serviceContainer" . | nindent 10 }}
          ports:
            - {name: admin, containerPort: 9090} # an API listens on 8080 on loopback only
          env:
            {{- include "retail-orders.env" . | nindent 12 }}
            {{- include "retail-orders.extraEnv" . | nindent 12 }}
          volumeMounts:
            - {name: secrets, mountPath: /etc/retail, readOnly: true}
            {{- with .component.volumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
            - {name: tmp, mountPath: /tmp}
            {{- include "retail-orders.extra" (dict "c" . "key" "extraVolumeMounts") | nindent 12 }}
        {{- if $isApi }}
        - {{- include "retail-orders.proxyContainer" . | nindent 10 }}
        {{- end }}
      volumes:
        - name: secrets
          projected:
            defaultMode: 0440
            sources:
              {{- include "retail-orders.mongodbFiles" . | nindent 14 }}
              {{- if hasKey .values "kafka" }}
              {{- include "retail-orders.kafkaFiles" . | nindent 14 }}
              {{- end }}
              {{- include "retail-orders.tracingFiles" . | nindent 14 }}
              {{- with .component.secretFiles }}
              {{- toYaml . | nindent 14 }}
              {{- end }}
        {{- with .component.volumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        - name: tmp
          emptyDir: {sizeLimit: 64Mi}
        {{- if $isApi }}
        {{- include "retail-orders.proxyVolumes" . | nindent 8 }}
        {{- end }}
        {{- include "retail-orders.extra" (dict "c" . "key" "extraVolumes") | nindent 8 }}
{{- end }}
