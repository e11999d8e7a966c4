{{- /* run.yaml of one run; call with a dict of root, name and run. */ -}}
{{- define "auditor.runConfig" -}}
{{- $v := .root.Values -}}
{{- $ca := dict -}}
{{- if $v.caBundle.configMap }}{{ $_ := set $ca "ca_file" "ca/ca.crt" }}{{ end -}}
{{- $collect := dict "in_cluster" true "frameworks" $v.collect.frameworks -}}
{{- if $v.collect.namespaces }}{{ $_ := set $collect "namespaces" $v.collect.namespaces }}{{ end -}}
{{- $store := dict "url" "file:///var/lib/auditor" -}}
{{- if $v.storage.bucket.url -}}
{{- $store = mergeOverwrite (dict "url" $v.storage.bucket.url) $ca -}}
{{- with $v.storage.bucket.endpointUrl }}{{ $_ := set $store "endpoint_url" . }}{{ end -}}
{{- with $v.storage.bucket.region }}{{ $_ := set $store "region" . }}{{ end -}}
{{- end -}}
{{- with .run.keep }}{{ $_ := set $store "keep" (int .) }}{{ end -}}
{{- $notify := dict "on" $v.notifications.on -}}
{{- if $v.notifications.webhook.enabled -}}
{{- $webhook := mergeOverwrite (dict "url_file" "credentials/webhook/url") $ca -}}
{{- if $v.notifications.webhook.headersKey }}{{ $_ := set $webhook "headers_file" "credentials/webhook/headers" }}{{ end -}}
{{- $_ := set $notify "webhook" $webhook -}}
{{- end -}}
{{- if $v.notifications.slack.enabled }}{{ $_ := set $notify "slack" (mergeOverwrite (dict "url_file" "credentials/slack/url") $ca) }}{{ end -}}
{{- with $v.notifications.smtp }}{{ if .enabled -}}
{{- $smtp := mergeOverwrite (dict "host" (required "notifications.smtp.host: name the mail server" .host) "port" (int .port) "security" .security "from" (required "notifications.smtp.from: give the sender's address" .from) "to" (required "notifications.smtp.to: give at least one address" .to)) $ca -}}
{{- if .username }}{{ $_ := set $smtp "username" .username }}{{ $_ := set $smtp "password_file" "credentials/smtp/password" }}{{ end -}}
{{- $_ := set $notify "smtp" $smtp -}}
{{- end }}{{ end -}}
{{- $metrics := dict -}}
{{- if $v.metrics.textFile }}{{ $_ := set $metrics "text_file" (printf "/var/lib/auditor/metrics/%s.prom" .name) }}{{ end -}}
{{- if $v.metrics.pushgateway.enabled }}{{ $_ := set $metrics "pushgateway" (mergeOverwrite (dict "url" (required "metrics.pushgateway.url: give the Pushgateway's address" $v.metrics.pushgateway.url) "job" $v.metrics.pushgateway.job) $ca) }}{{ end -}}
{{- $publish := dict "open_reports" (dict "enabled" $v.openReports.enabled) "metrics" $metrics -}}
{{- $config := dict "format_version" 1 "name" .name "collect" $collect "store" $store "formats" .run.formats "publish" $publish "notify" $notify "fail_on" $v.failOn -}}
{{- if or $v.scope $v.existingScopeConfigMap }}{{ $_ := set $config "scope" "scope/scope.yaml" }}{{ end -}}
{{- with $v.title }}{{ $_ := set $config "title" . }}{{ end -}}
{{- with $v.organisation }}{{ $_ := set $config "organisation" . }}{{ end -}}
{{- toYaml $config -}}
{{- end }}

{{- /* What must be said before anything is rendered. */ -}}
{{- define "auditor.check" -}}
{{- $v := .Values -}}
{{- if and $v.storage.bucket.url $v.storage.persistentVolumeClaim.existingClaim }}{{ fail "storage: expected a bucket or an existing claim, not both" }}{{ end -}}
{{- if and $v.metrics.textFile $v.storage.bucket.url }}{{ fail "metrics.textFile: the file is written to the volume, and with storage.bucket there is none" }}{{ end -}}
{{- if and $v.scope $v.existingScopeConfigMap }}{{ fail "scope: expected scope or existingScopeConfigMap, not both" }}{{ end -}}
{{- if and $v.notifications.smtp.enabled $v.notifications.smtp.username (not $v.notifications.smtp.secretName) }}{{ fail "notifications.smtp.secretName: name the Secret that holds the password" }}{{ end -}}
{{- if and $v.notifications.smtp.enabled $v.notifications.smtp.username (eq $v.notifications.smtp.security "none") }}{{ fail "notifications.smtp.security: a password is only sent over starttls or tls" }}{{ end -}}
{{- if not (or $v.daily.enabled $v.quarterly.enabled) }}{{ fail "daily.enabled, quarterly.enabled: with neither nothing would ever run (suspend: true pauses a CronJob)" }}{{ end -}}
{{- if $v.notifications.webhook.enabled }}{{ $_ := required "notifications.webhook.secretName: name the Secret that holds the address" $v.notifications.webhook.secretName }}{{ end -}}
{{- if $v.notifications.slack.enabled }}{{ $_ := required "notifications.slack.secretName: name the Secret that holds the address" $v.notifications.slack.secretName }}{{ end -}}
{{- end }}
