{{/* One setting of a component's pods, as JSON {"value": …}: the component's own value over the one for every pod. Maps are
merged, and null removes a key; anything else replaces. dict "c" COMPONENT "key" "nodeSelector" */}}
{{- define "retail-orders.setting" -}}
{{- $value := index .c.root.Values .key }}
{{- $own := index .c.values .key }}
{{- if kindIs "map" $own }}
{{- $value = deepCopy ($value | default dict) }}
{{- range $key, $item := $own }}
{{- if kindIs "invalid" $item }}
{{- $_ := unset $value $key }}
{{- else }}
{{- $_ := set $value $key $item }}
{{- end }}
{{- end }}
{{- else if not (kindIs "invalid" $own) }}
{{- $value = $own }}
{{- end }}
{{- dict "value" $value | toJson }}
{{- end }}

{{/* The same as a field of a manifest, nothing if it is empty. "as": the field's name, if it differs. */}}
{{- define "retail-orders.settingField" -}}
{{- with (include "retail-orders.setting" . | fromJson).value }}
{{- dict ($.as | default $.key) . | toYaml }}
{{- end }}
{{- end }}

{{/* Image of a component: REGISTRY/REPOSITORY:TAG@DIGEST */}}
{{- define "retail-orders.image" -}}
{{- $image := .values.image }}
{{- $tag := $image.tag | default (ternary "" .root.Chart.AppVersion (ne ($image.digest | default "") "")) }}
{{- with $image.registry | default .root.Values.imageRegistry }}{{ trimSuffix "/" . }}/{{ end }}
{{- $image.repository }}
{{- if $tag }}{{ ternary "" ":" (hasPrefix "@" $tag) }}{{ $tag }}{{ end }}
{{- with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "retail-orders.pullPolicy" -}}
{{ .values.image.pullPolicy | default .root.Values.imagePullPolicy }}
{{- end }}

{{/* Names of the pull Secrets of all images of a pod, each once, because Kubernetes rejects duplicates. */}}
{{- define "retail-orders.imagePullSecrets" -}}
{{- $secrets := concat .root.Values.imagePullSecrets (.values.image.pullSecrets | default list) }}
{{- if hasKey .values "tls" }}
{{- $secrets = concat $secrets (.root.Values.proxy.image.pullSecrets | default list) }}
{{- end }}
{{- $names := list }}
{{- range $secrets }}
{{- if kindIs "map" . }}
{{- $names = append $names .name }}
{{- else }}
{{- $names = append $names . }}
{{- end }}
{{- end }}
{{- range uniq $names }}
- name: {{ . }}
{{- end }}
{{- end }}

{{- define "retail-orders.serviceAccountName" -}}
{{- $account := (include "retail-orders.setting" (dict "c" . "key" "serviceAccount") | fromJson).value }}
{{- $account.name | default (ternary (include "retail-orders.fullname" .) "default" $account.create) }}
{{- end }}
