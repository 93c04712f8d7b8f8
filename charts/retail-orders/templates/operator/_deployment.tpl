{{- define "retail-orders.operatorDeployment" -}}
apiVersion: apps/v1
kind: Deployment
{{ include "retail-orders.deploymentMeta" . }}
spec:
  revisionHistoryLimit: 1
  strategy: {type: Recreate}
  selector:
    matchLabels:
      {{- include "retail-orders.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      {{- include "retail-orders.podMeta" . | nindent 6 }}
    spec:
      {{- include "retail-orders.podSettings" . | nindent 6 }}
      containers:
        - name: operator
          {{- include "retail-orders.container" . | nindent 10 }}
          command: [python, -c, "import signal as s; s.pthread_sigmask(s.SIG_BLOCK, [s.SIGTERM]); s.sigwait([s.SIGTERM])"]
          env:
            {{- include "retail-orders.mongodbEnv" . | nindent 12 }}
            {{- include "retail-orders.kafkaEnv" . | nindent 12 }}
            {{- include "retail-orders.extraEnv" . | nindent 12 }}
          volumeMounts:
            - {name: secrets, mountPath: /etc/retail, readOnly: true}
            - {name: tmp, mountPath: /tmp}
            {{- include "retail-orders.extra" (dict "c" . "key" "extraVolumeMounts") | nindent 12 }}
      volumes:
        - name: secrets
          projected:
            defaultMode: 0440
            sources:
              {{- include "retail-orders.mongodbFiles" . | nindent 14 }}
              {{- include "retail-orders.kafkaFiles" . | nindent 14 }}
        - name: tmp
          emptyDir: {sizeLimit: 64Mi}
        {{- include "retail-orders.extra" (dict "c" . "key" "extraVolumes") | nindent 8 }}
{{- end }}
