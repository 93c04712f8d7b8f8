{{- define "retail-orders.pod.auth-api" -}}
env:
  - {name: AUTH_KEYS_DIR, value: /etc/signing-keys}
  {{- with .root.Values.auth.signingKid }}
  - {name: AUTH_SIGNING_KID, value: {{ . | quote }}}
  {{- end }}
  {{- with .values.hashSlots }}
  - {name: HASH_SLOTS, value: {{ . | quote }}}
  {{- end }}
volumeMounts:
  - {name: signing-keys, mountPath: /etc/signing-keys, readOnly: true}
volumes:
  - name: signing-keys
    secret: {secretName: {{ .root.Values.auth.existingSecret }}, defaultMode: 0440}
{{- end }}
