{{- define "retail-orders.pod.order-api" -}}
env:
  - {name: AUTH_JWKS_URL, value: "https://{{ include "retail-orders.prefix" .root }}-auth-api.{{ .root.Release.Namespace }}.svc:8443/.well-known/jwks.json"}
  - {name: AUTH_JWKS_CA_FILE, value: /etc/retail/auth-api-ca.crt}
  - {name: ORDERS_REQUIRE_TOKEN, value: {{ .values.requireToken | quote }}}
  - {name: ORDERS_CURRENCIES, value: {{ join "," .values.currencies | quote }}}
secretFiles:
  {{- $auth := dict "root" .root "name" "auth-api" "values" .root.Values.authApi }}
  {{- include "retail-orders.secretFile" (dict "secret" (include "retail-orders.tlsSecret" $auth) "key" "ca.crt" "path" "auth-api-ca.crt") | nindent 2 }}
{{- end }}
