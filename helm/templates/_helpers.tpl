{{- define "valetkey.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* With `-backup` behind it, no longer than the name of a CronJob may be. */ -}}
{{- define "valetkey.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- else if contains (include "valetkey.name" .) .Release.Name -}}
{{- .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "valetkey.name" .) | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "valetkey.selectorLabels" -}}
app.kubernetes.io/name: {{ include "valetkey.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The pods of the service itself, and not those of its jobs. */}}
{{- define "valetkey.serviceLabels" -}}
{{ include "valetkey.selectorLabels" . }}
app.kubernetes.io/component: service
{{- end -}}

{{- define "valetkey.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "valetkey.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "valetkey.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "valetkey.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "valetkey.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Non-empty where the state is in Redis. */}}
{{- define "valetkey.usesRedis" -}}
{{- if or .Values.redis.url .Values.redis.existingSecret }}true{{ end -}}
{{- end -}}

{{- define "valetkey.usesConfig" -}}
{{- if or .Values.config .Values.existingConfigMap .Values.kubernetesCallers.enabled }}true{{ end -}}
{{- end -}}

{{/* The configuration file. What is secret is in files beside it, never in it. */}}
{{- define "valetkey.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- if .Values.kubernetesCallers.enabled -}}
{{- $account := "/var/run/secrets/kubernetes.io/serviceaccount" -}}
{{- $cluster := dict "issuer" .Values.kubernetesCallers.issuer "audience" .Values.kubernetesCallers.audience "ca_file" (printf "%s/ca.crt" $account) "token_file" (printf "%s/token" $account) -}}
{{- $_ := set $config "issuers" (append (default (list) $config.issuers) $cluster) -}}
{{- end -}}
{{- $text := toYaml $config -}}
{{- if regexMatch "(?m)^[ -]*(private_key|keystore|passphrase|client_secret|refresh_token):" $text -}}
{{- fail "config: a credential must not be in a ConfigMap; name a file (private_key_file, keystore_file, client_secret_file) and mount it by secretMounts" -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{- define "valetkey.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
# Else every start would open the store's folder to the group again.
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "valetkey.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* What the service and the backup both need: the store and its keys. */}}
{{- define "valetkey.storeEnv" -}}
{{- with .Values.redis }}
{{- if .existingSecret }}
- name: VALETKEY_REDIS_URL_FILE
  value: /run/secrets/valetkey/redis-url
{{- if .sentinelPasswordKey }}
- name: VALETKEY_REDIS_SENTINEL_PASSWORD_FILE
  value: /run/secrets/valetkey/sentinel-password
{{- end }}
{{- else if .url }}
- name: VALETKEY_REDIS_URL
  value: {{ .url | quote }}
{{- end }}
{{- if or .url .existingSecret }}
- name: VALETKEY_REDIS_PREFIX
  value: {{ .prefix | quote }}
- name: VALETKEY_REDIS_WAIT
  value: {{ .waitReplicas | quote }}
{{- if .caSecret }}
- name: VALETKEY_REDIS_CA_FILE
  value: /run/secrets/valetkey/redis-ca.crt
{{- end }}
{{- if .clientCertSecret }}
- name: VALETKEY_REDIS_CERT_FILE
  value: /run/secrets/valetkey/redis-client.crt
- name: VALETKEY_REDIS_KEY_FILE
  value: /run/secrets/valetkey/redis-client.key
{{- end }}
{{- if .natMap }}
- name: VALETKEY_REDIS_NAT_MAP
  value: {{ .natMap | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.keyring.existingSecret }}
- name: VALETKEY_KEYRING_FILE
  value: /run/secrets/valetkey/keyring
{{- end }}
{{- if .Values.adminKey.existingSecret }}
- name: VALETKEY_ADMIN_KEY_FILE
  value: /run/secrets/valetkey/admin-key
{{- end }}
{{- if include "valetkey.usesConfig" . }}
- name: VALETKEY_CONFIG
  value: /etc/valetkey/config.yaml
{{- end }}
{{- end -}}

{{/* One entry of the projected volume of secrets: a key of a Secret under the name of a file. */}}
{{- define "valetkey.secretFile" -}}
- secret:
    name: {{ .secret | quote }}
    items:
      - key: {{ .key | quote }}
        path: {{ .path }}
{{- end -}}

{{- define "valetkey.secretFiles" -}}
{{- $sources := list -}}
{{- with .Values.redis -}}
{{- if .existingSecret -}}
{{- $sources = append $sources (dict "secret" .existingSecret "key" .urlKey "path" "redis-url") -}}
{{- if .sentinelPasswordKey -}}
{{- $sources = append $sources (dict "secret" .existingSecret "key" .sentinelPasswordKey "path" "sentinel-password") -}}
{{- end -}}
{{- end -}}
{{- if .caSecret -}}
{{- $sources = append $sources (dict "secret" .caSecret "key" .caKey "path" "redis-ca.crt") -}}
{{- end -}}
{{- if .clientCertSecret -}}
{{- $sources = append $sources (dict "secret" .clientCertSecret "key" .clientCertKey "path" "redis-client.crt") -}}
{{- $sources = append $sources (dict "secret" .clientCertSecret "key" .clientKeyKey "path" "redis-client.key") -}}
{{- end -}}
{{- end -}}
{{- with .Values.keyring -}}
{{- if .existingSecret -}}
{{- $sources = append $sources (dict "secret" .existingSecret "key" .key "path" "keyring") -}}
{{- end -}}
{{- end -}}
{{- with .Values.adminKey -}}
{{- if .existingSecret -}}
{{- $sources = append $sources (dict "secret" .existingSecret "key" .key "path" "admin-key") -}}
{{- end -}}
{{- end -}}
{{- with .Values.webhook -}}
{{- if .url -}}
{{- $sources = append $sources (dict "secret" .existingSecret "key" .key "path" "webhook-secret") -}}
{{- end -}}
{{- end -}}
{{- range $sources }}
{{ include "valetkey.secretFile" . }}
{{- end -}}
{{- end -}}
