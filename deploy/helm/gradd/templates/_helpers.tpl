{{- define "gradd.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Names of this release's objects, with room for what is put behind them. */}}
{{- define "gradd.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := include "gradd.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "gradd.selector" -}}
app.kubernetes.io/name: {{ include "gradd.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gradd.labels" -}}
{{ include "gradd.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "gradd.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{- define "gradd.scheme" -}}
{{ ternary "https" "http" (not (empty .Values.tls.existingSecret)) }}
{{- end }}

{{- define "gradd.tokens" -}}
{{ default (printf "%s-tokens" (include "gradd.fullname" .)) .Values.auth.existingSecret }}
{{- end }}

{{/* What a namespace that enforces the restricted standard asks of a pod, and of a container. */}}
{{- define "gradd.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "gradd.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
{{- end }}

{{- define "gradd.get" -}}
httpGet:
  path: {{ .path }}
  port: http
  {{- if .values.tls.existingSecret }}
  scheme: HTTPS
  {{- end }}
{{- end }}

{{/* An option's value as gradd reads it. YAML reads on and off as truths, and numbers as floats. */}}
{{- define "gradd.option" -}}
{{- if kindIs "bool" . }}{{ ternary "on" "off" . }}
{{- else if kindIs "string" . }}{{ . }}
{{- else }}{{ printf "%.0f" (float64 .) }}
{{- end }}
{{- end }}
