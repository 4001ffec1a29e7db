{{/* SPDX-License-Identifier: Apache-2.0 */}}

{{/* Names. */}}
{{- define "oauth-broker.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 45 | trimSuffix "-" -}}
{{- end -}}

{{- define "oauth-broker.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "oauth-broker.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "oauth-broker.manager" -}}{{ include "oauth-broker.fullname" . }}-manager{{- end -}}
{{- define "oauth-broker.admin" -}}{{ include "oauth-broker.fullname" . }}-admin{{- end -}}
{{- define "oauth-broker.published" -}}{{ default (printf "%s-published" .Release.Name) .Values.publishedNamespace.name }}{{- end -}}
{{- define "oauth-broker.keyRing" -}}{{ default (printf "%s-keyring" (include "oauth-broker.fullname" .)) .Values.keyRing.existingSecret }}{{- end -}}
{{- define "oauth-broker.tlsSecret" -}}{{ default (printf "%s-tls" (include "oauth-broker.fullname" .)) .Values.tls.secretName }}{{- end -}}
{{- define "oauth-broker.host" -}}{{ regexReplaceAll ":[0-9]+$" (trimPrefix "https://" .Values.publicURL) "" }}{{- end -}}

{{- define "oauth-broker.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* Labels: call with a dict of root and component. */}}
{{- define "oauth-broker.selector" -}}
app.kubernetes.io/name: {{ include "oauth-broker.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "oauth-broker.labels" -}}
{{ include "oauth-broker.selector" . }}
app.kubernetes.io/part-of: oauth-broker
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Pod Security "restricted", and a root file system that nobody writes to. */}}
{{- define "oauth-broker.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "oauth-broker.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* What the schema cannot see, refused with a message. */}}
{{- define "oauth-broker.check" -}}
{{- $published := include "oauth-broker.published" . -}}
{{- if eq $published .Release.Namespace -}}
{{- fail (printf "publishedNamespace.name: %s is the namespace of the release; brokers may read every Secret of the published namespace, so it must be one of its own" $published) -}}
{{- end -}}
{{- if has $published .Values.watchNamespaces -}}
{{- fail (printf "watchNamespaces: %s is the published namespace, where no tenant may be" $published) -}}
{{- end -}}
{{- if eq .Values.image.tag "latest" -}}
{{- fail "image.tag: latest would change under a rollout; name a fixed tag, or image.digest" -}}
{{- end -}}
{{- if and .Values.ingress.enabled .Values.gateway.enabled -}}
{{- fail "ingress.enabled and gateway.enabled: one of them brings requests to the brokers, so choose one" -}}
{{- end -}}
{{- if and .Values.service.externalTrafficPolicy (eq .Values.service.type "ClusterIP") -}}
{{- fail "service.externalTrafficPolicy: a ClusterIP has none; set service.type to LoadBalancer or NodePort, or leave it empty" -}}
{{- end -}}
{{- with .Values.broker.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail "broker.autoscaling: minReplicas is more than maxReplicas" -}}
{{- end -}}
{{- end -}}
{{- if lt (int .Values.broker.terminationGracePeriodSeconds) (add (int .Values.broker.shutdownDelaySeconds) 70) -}}
{{- fail "broker.terminationGracePeriodSeconds must be at least broker.shutdownDelaySeconds + 70: requests under way may wait 60 seconds for a vendor" -}}
{{- end -}}
{{- if and (eq .Values.tls.mode "Off") (not (or .Values.ingress.enabled .Values.gateway.enabled .Values.tls.terminatedElsewhere)) -}}
{{- fail "tls.mode Off needs something that ends TLS: ingress.enabled, gateway.enabled, or tls.terminatedElsewhere" -}}
{{- end -}}
{{- end -}}

{{/* Says something unless the cluster has a CRD of a newer chart. */}}
{{- define "oauth-broker.notOlder" -}}
{{- $existing := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" .name | default dict -}}
{{- $installed := dig "metadata" "annotations" "oauthbroker.dev/crd-version" "0.0.0-0" $existing -}}
{{- if ge ((semver .root.Chart.Version).Compare (semver $installed)) 0 -}}yes{{- end -}}
{{- end -}}
