{{- define "retail-orders.pod.order-processor" -}}
env:
  - {name: KAFKA_GROUP_PROTOCOL, value: {{ .root.Values.kafka.groupProtocol | quote }}}
  - {name: PROCESSOR_REFUSED_ITEMS, value: {{ join "," .values.refusedItems | quote }}}
  - {name: RECONCILE_INTERVAL_SECONDS, value: {{ .values.reconcileIntervalSeconds | quote }}}
{{- end }}
