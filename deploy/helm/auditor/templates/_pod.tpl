{{- define "auditor.podSpec" -}}
{{- $root := .root -}}
{{- $v := $root.Values -}}
restartPolicy: Never
serviceAccountName: {{ include "auditor.serviceAccount" $root | quote }}
automountServiceAccountToken: true
enableServiceLinks: false
{{- with $v.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $v.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- with $v.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
containers:
  - name: auditor
    image: {{ include "auditor.image" $root | quote }}
    imagePullPolicy: {{ $v.image.pullPolicy | quote }}
    command: [/opt/auditor/bin/auditor]
    args: [run, --config, /etc/auditor/{{ .name }}.yaml]
    {{- if and $v.storage.bucket.url $v.storage.bucket.credentialsSecret }}
    env:
      - {name: AWS_SHARED_CREDENTIALS_FILE, value: /etc/auditor/credentials/bucket/credentials}
    {{- end }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    resources:
      {{- toYaml (index $v .name).resources | nindent 6 }}
    volumeMounts:
      - {name: config, mountPath: /etc/auditor, readOnly: true}
      - {name: tmp, mountPath: /tmp}
      {{- if not $v.storage.bucket.url }}
      - {name: evidence, mountPath: /var/lib/auditor}
      {{- end }}
volumes:
  - name: config
    projected:
      defaultMode: 0440
      sources:
        - configMap:
            name: {{ include "auditor.name" $root }}
            items:
              - {key: {{ .name }}.yaml, path: {{ .name }}.yaml}
              {{- if $v.scope }}
              - {key: scope.yaml, path: scope/scope.yaml}
              {{- end }}
        {{- with $v.existingScopeConfigMap }}
        - configMap:
            name: {{ . | quote }}
            items:
              - {key: scope.yaml, path: scope/scope.yaml}
        {{- end }}
        {{- if $v.caBundle.configMap }}
        - configMap:
            name: {{ $v.caBundle.configMap | quote }}
            items:
              - {key: {{ $v.caBundle.key | quote }}, path: ca/ca.crt}
        {{- end }}
        {{- if and $v.storage.bucket.url $v.storage.bucket.credentialsSecret }}
        - secret:
            name: {{ $v.storage.bucket.credentialsSecret | quote }}
            items:
              - {key: credentials, path: credentials/bucket/credentials}
        {{- end }}
        {{- with $v.notifications.webhook }}
        {{- if .enabled }}
        - secret:
            name: {{ .secretName | quote }}
            items:
              - {key: {{ .urlKey | quote }}, path: credentials/webhook/url}
              {{- if .headersKey }}
              - {key: {{ .headersKey | quote }}, path: credentials/webhook/headers}
              {{- end }}
        {{- end }}
        {{- end }}
        {{- with $v.notifications.slack }}
        {{- if .enabled }}
        - secret:
            name: {{ .secretName | quote }}
            items:
              - {key: {{ .urlKey | quote }}, path: credentials/slack/url}
        {{- end }}
        {{- end }}
        {{- with $v.notifications.smtp }}
        {{- if and .enabled .username }}
        - secret:
            name: {{ .secretName | quote }}
            items:
              - {key: {{ .passwordKey | quote }}, path: credentials/smtp/password}
        {{- end }}
        {{- end }}
  - name: tmp
    emptyDir: {sizeLimit: {{ $v.temporarySize | quote }}}
  {{- if not $v.storage.bucket.url }}
  - name: evidence
    persistentVolumeClaim:
      claimName: {{ default (include "auditor.name" $root) $v.storage.persistentVolumeClaim.existingClaim | quote }}
  {{- end }}
{{- end }}
