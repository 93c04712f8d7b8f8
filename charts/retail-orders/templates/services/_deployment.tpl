{{/* The Deployment of one service. What only this service needs is in retail-orders.pod.NAME: env, secretFiles (sources of
/etc/retail), volumeMounts and volumes. */}}

{{- define "retail-orders.env" -}}
{{- $own := include (printf "retail-orders.pod.%s" .name) . | fromYaml }}
{{- include "retail-orders.commonEnv" . }}
{{- if hasKey .values "kafka" }}
{{ include "retail-orders.kafkaEnv" . }}
{{- end }}
{{- if hasKey .values "tls" }}
{{ include "retail-orders.httpEnv" . }}
{{- end }}
{{ toYaml $own.env }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "retail-orders.deployment" -}}
{{- $own := include (printf "retail-orders.pod.%s" .name) . | fromYaml }}
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
            {{- with $own.volumeMounts }}
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
              {{- with $own.secretFiles }}
              {{- toYaml . | nindent 14 }}
              {{- end }}
        {{- with $own.volumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        - name: tmp
          emptyDir: {sizeLimit: 64Mi}
        {{- if $isApi }}
        {{- include "retail-orders.proxyVolumes" . | nindent 8 }}
        {{- end }}
{{- end }}
