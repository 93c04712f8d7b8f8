{{/* The nginx in front of an API: its container and its volumes. */}}

{{- define "retail-orders.proxyContainer" -}}
{{- $c := dict "root" .root "name" "proxy" "values" .root.Values.proxy -}}
name: proxy
image: {{ include "retail-orders.image" $c }}
imagePullPolicy: {{ include "retail-orders.pullPolicy" $c }}
command: [nginx, -c, /etc/nginx/nginx.conf, -g, "daemon off;"]
{{ include "retail-orders.settingField" (dict "c" $c "key" "containerSecurityContext" "as" "securityContext") }}
ports:
  - {name: https, containerPort: 8443}
resources:
  {{- toYaml .root.Values.proxy.resources | nindent 2 }}
{{- range list "startupProbe" "livenessProbe" "readinessProbe" }}
{{ include "retail-orders.probe" (dict "c" $c "key" . "check" (dict "tcpSocket" (dict "port" "https"))) }}
{{- end }}
lifecycle:
  preStop:
    sleep: {seconds: 5}
volumeMounts:
  - {name: proxy-config, mountPath: /etc/nginx/nginx.conf, subPath: nginx.conf, readOnly: true}
  - {name: proxy-config, mountPath: /etc/nginx/limits.conf, subPath: limits.conf, readOnly: true}
  - {name: proxy-config, mountPath: /etc/nginx/own_answers.conf, subPath: own_answers.conf, readOnly: true}
  - {name: proxy-config, mountPath: /etc/nginx/rules.conf, subPath: rules.conf, readOnly: true}
  {{- if .root.Values.proxy.shop }}
  - {name: proxy-config, mountPath: /etc/nginx/shop.conf, subPath: shop.conf, readOnly: true}
  - {name: shop, mountPath: /etc/nginx/shop, readOnly: true}
  {{- end }}
  - {name: tls, mountPath: /etc/tls, readOnly: true}
  - {name: proxy-tmp, mountPath: /tmp}
{{- end }}

{{- define "retail-orders.proxyVolumes" -}}
- name: proxy-config
  configMap: {name: {{ include "retail-orders.prefix" .root }}-proxy}
{{- if .root.Values.proxy.shop }}
- name: shop
  configMap: {name: {{ include "retail-orders.prefix" .root }}-shop}
{{- end }}
- name: tls
  secret:
    secretName: {{ include "retail-orders.tlsSecret" . }}
    items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}]
    defaultMode: 0440
- name: proxy-tmp
  emptyDir: {sizeLimit: 512Mi}
{{- end }}

{{- define "retail-orders.hsts" -}}
{{- with .Values.proxy.hsts }}
{{- if .maxAgeSeconds }}max-age={{ int64 .maxAgeSeconds }}{{ if .includeSubDomains }}; includeSubDomains{{ end }}{{ end }}
{{- end }}
{{- end }}
