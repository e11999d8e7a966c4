{{- define "auditor.name" -}}
{{- if contains "auditor" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-auditor" (.Release.Name | trunc 32 | trimSuffix "-") }}{{ end -}}
{{- end }}

{{- define "auditor.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "auditor.name" .) .Values.serviceAccount.name }}{{ else }}{{ required "serviceAccount.name: name the existing ServiceAccount, or let serviceAccount.create make one" .Values.serviceAccount.name }}{{ end -}}
{{- end }}

{{- define "auditor.clusterName" -}}
{{- /* Cluster-scoped names carry the namespace: the chart may be installed twice. */ -}}
{{- $name := include "auditor.name" . }}{{ if eq $name .Release.Namespace }}{{ $name }}{{ else }}{{ printf "%s-%s" .Release.Namespace $name }}{{ end -}}
{{- end }}

{{- define "auditor.selectorLabels" -}}
app.kubernetes.io/name: auditor
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "auditor.labels" -}}
{{ include "auditor.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{- define "auditor.image" -}}
{{- $repository := required "image.repository: name the image that was built with deploy/image, as registry.example.com/audit/auditor" .Values.image.repository -}}
{{- if .Values.image.digest }}{{ printf "%s@%s" $repository .Values.image.digest }}
{{- else if .Values.image.tag }}{{ printf "%s:%s" $repository .Values.image.tag }}
{{- else }}{{ fail "image.digest: give the image's digest (sha256:…), or else image.tag" }}{{ end -}}
{{- end }}
