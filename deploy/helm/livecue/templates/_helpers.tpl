{{- define "livecue.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "livecue.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "livecue.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "livecue.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "livecue.selector" -}}
app.kubernetes.io/name: {{ include "livecue.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "livecue.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "livecue.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "livecue.serviceAccount" -}}
{{- default (ternary (include "livecue.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "livecue.secret" -}}
{{- default (include "livecue.fullname" .) .Values.secret.existing -}}
{{- end -}}

{{/* preStop, the drain, and what follows it: peers read their last message (3 s), connections close (5 s). */}}
{{- define "livecue.gracePeriod" -}}
{{- add .Values.drain.preStopSeconds .Values.drain.seconds 15 -}}
{{- end -}}

{{/* How many gateways are wanted: so many that there is headroom, at the capacity that one has now. */}}
{{- define "livecue.gatewaysWanted" -}}
{{- $pods := printf `{namespace="%s", service="%s"}` .Release.Namespace (include "livecue.fullname" .) -}}
count(livecue_free_streams{{ $pods }}) * (sum(livecue_sessions{{ $pods }}) + {{ .Values.autoscaling.headroom }}) / clamp_min(sum(livecue_sessions{{ $pods }}) + sum(livecue_free_streams{{ $pods }}), 1)
{{- end -}}

{{- define "livecue.volume" -}}
{{- if .claim.enabled }}
persistentVolumeClaim:
  claimName: {{ default .name .claim.existingClaim }}
{{- else }}
emptyDir: {}
{{- end }}
{{- end -}}
