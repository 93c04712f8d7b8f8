{{/* The Deployment of one service; `component` is its entry in retail-orders.components. */}}

{{- define "retail-orders.env" -}}
{{- include "retail-orders.commonEnv" . }}
{{- if hasKey .values "kafka" }}
{{ include "retail-orders.kafkaEnv" . }}
{{- end }}
{{- if hasKey .values "tls" }}
{{ include "retail-orders.httpEnv" . }}
{{- end }}
{{- with .component.env }}
{{ toYaml . }}
{{- end }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "retail-orders.deployment" -}}
{{- $isApi := hasKey .values "tls" -}}
apiVersion: apps/v1
kind: Deployment
{{ include "retail-orders.meta" . }}
spec:
  {{- include "retail-orders.deploymentSettings" . | nindent 2 }}
  template:
    metadata:
      {{- include "retail-orders.podMeta" . | nindent 6 }}
        {{- if $isApi }}
        checksum/proxy: {{ include (print .root.Template.BasePath "/proxy/configmap.yaml") .root | sha256sum }}
        {{- end }}
    spec:
      {{- include "retail-orders.podSettings" . | nindent 6 }}
      containers:
        - {{- include "retail-orders.serviceContainer" . | nindent 10 }}
          ports:
            - {name: admin, containerPort: 9090} # an API listens on 8080 on loopback only
          env:
            {{- include "retail-orders.env" . | nindent 12 }}
          volumeMounts:
            - {name: secrets, mountPath: /etc/retail, readOnly: true}
            {{- with .component.volumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
            - {name: tmp, mountPath: /tmp}
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
{{- end }}
