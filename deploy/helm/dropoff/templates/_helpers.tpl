{{- define "dropoff.name" -}}
{{- if contains "dropoff" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-dropoff" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "dropoff.selector" -}}
app.kubernetes.io/name: dropoff
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "dropoff.labels" -}}
{{ include "dropoff.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The address of an image: its digest goes before its tag. */}}
{{- define "dropoff.image" -}}
{{- $image := index . 0 }}{{ $root := index . 1 -}}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}{{ else }}{{ $image.repository }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end -}}
{{- end }}

{{- define "dropoff.secret" -}}
{{ .Values.existingSecret | default (include "dropoff.name" .) }}
{{- end }}

{{/* What PodSecurity calls restricted. */}}
{{- define "dropoff.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "dropoff.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The settings that come from files of the secret. */}}
{{- define "dropoff.secretEnvironment" -}}
- {name: DROPOFF_DATABASE_URL_FILE, value: /run/secrets/dropoff/database_url}
- {name: DROPOFF_COOKIE_SECRET_FILE, value: /run/secrets/dropoff/cookie_secret}
- {name: DROPOFF_ID_SECRET_FILE, value: /run/secrets/dropoff/id_secret}
{{- if .Values.redis.enabled }}
- {name: DROPOFF_REDIS_URL, value: "redis://{{ include "dropoff.name" . }}-redis:6379/0"}
{{- else if or .Values.redisUrl .Values.existingSecret }}
- {name: DROPOFF_REDIS_URL_FILE, value: /run/secrets/dropoff/redis_url}
{{- end }}
{{- range $name, $_ := .Values.secretSettings }}
- {name: DROPOFF_{{ upper $name }}_FILE, value: /run/secrets/dropoff/{{ $name }}}
{{- end }}
{{- end }}

{{- define "dropoff.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* A secret that stays as it was at an upgrade. */}}
{{- define "dropoff.kept" -}}
{{- $there := index . 0 }}{{ $name := index . 1 -}}
{{- if and $there (hasKey $there $name) }}{{ index $there $name | b64dec }}{{ else }}{{ randAlphaNum 48 }}{{ end -}}
{{- end }}
