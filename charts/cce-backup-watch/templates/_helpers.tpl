{{/* Names. All are cut so that the longest suffix still fits a label's 63 characters. */}}
{{- define "cce-backup-watch.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{- define "cce-backup-watch.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The namespace of everything that is no object of the whole cluster. */}}
{{- define "cce-backup-watch.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "cce-backup-watch.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "cce-backup-watch.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "cce-backup-watch.leaseName" -}}
{{- default (include "cce-backup-watch.fullname" .) .Values.leaderElection.leaseName -}}
{{- end -}}

{{- define "cce-backup-watch.ringName" -}}
{{- default (include "cce-backup-watch.fullname" .) .Values.sharding.ringName -}}
{{- end -}}

{{/* Labels that never change, since a Deployment's selector cannot. */}}
{{- define "cce-backup-watch.selectorLabels" -}}
app.kubernetes.io/name: {{ include "cce-backup-watch.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end -}}

{{- define "cce-backup-watch.labels" -}}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/name" (include "cce-backup-watch.name" .)
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
-}}
{{- toYaml (merge $own .Values.commonLabels) -}}
{{- end -}}

{{/* The annotations of a resource, or nothing. Takes a dict of root and own, which wins. */}}
{{- define "cce-backup-watch.annotations" -}}
{{- with merge (dict) .own .root.Values.commonAnnotations -}}
annotations:
{{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* An image reference. Takes a dict of root, image (registry, repository, tag, digest) and tag (where the image has none). */}}
{{- define "cce-backup-watch.image" -}}
{{- $registry := default .image.registry .root.Values.global.imageRegistry -}}
{{- $name := ternary (printf "%s/%s" $registry .image.repository) .image.repository (ne $registry "") -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .tag .image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The image pull Secrets of this chart and of its parents, as objects, each once. */}}
{{- define "cce-backup-watch.imagePullSecrets" -}}
{{- $secrets := list -}}
{{- range concat (.Values.global.imagePullSecrets | default list) .Values.imagePullSecrets -}}
{{- $secrets = append $secrets (ternary (dict "name" .) . (kindIs "string" .)) -}}
{{- end -}}
{{- with $secrets | uniq -}}
imagePullSecrets:
{{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* Whether a resource of the Prometheus Operator is rendered: "true" or nothing. Takes a dict of root, value (the name of the
values) and kind. */}}
{{- define "cce-backup-watch.render" -}}
{{- $values := index .root.Values .value -}}
{{- if $values.enabled -}}
{{- $known := .root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" .kind) -}}
{{- if or $known (eq $values.renderMode "alwaysRender") -}}
true
{{- else if eq $values.renderMode "failIfMissing" -}}
{{- fail (printf "%s.enabled is true, but the cluster does not know the kind %s: install the Prometheus Operator, or set %s.renderMode" .value .kind .value) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Where a monitor looks for the operator. Without a selector that is its own namespace, also after an overlay of kustomize has moved it. */}}
{{- define "cce-backup-watch.namespaceSelector" -}}
{{- $namespace := include "cce-backup-watch.namespace" .root -}}
{{- if ne (default $namespace .monitor.namespace) $namespace -}}
namespaceSelector:
  matchNames: [{{ $namespace }}]
{{- end -}}
{{- end -}}

{{/* What a ServiceMonitor and a PodMonitor say about one endpoint. Takes the values of the monitor. */}}
{{- define "cce-backup-watch.endpoint" -}}
port: http
path: /metrics
honorLabels: {{ .honorLabels }}
{{- with .interval }}
interval: {{ . }}
{{- end }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A text of the alerts, or the dashboard, with the labels that tell hubs apart in place of "cluster". Takes a dict of root and text. What is
replaced stands in these forms only, so that the label "cluster" of the metric info stays what it is. */}}
{{- define "cce-backup-watch.byHub" -}}
{{- $text := .text -}}
{{- $hubs := .root.Values.prometheusRule.hubLabels -}}
{{- if ne (join "," $hubs) "cluster" -}}
{{- $grouping := "" -}}
{{- $matchers := "" -}}
{{- $values := "" -}}
{{- $words := "" -}}
{{- range $hubs -}}
{{- $grouping = printf "%s%s, " $grouping . -}}
{{- $matchers = printf "%s, %s=%%q" $matchers . -}}
{{- $values = printf "%s $labels.%s" $values . -}}
{{- $words = printf "%s{{ with $labels.%s }} on {{ . }}{{ end }}" $words . -}}
{{- end -}}
{{- $text = $text | replace "(cluster, " (printf "(%s" $grouping) | replace ", cluster=%q" $matchers | replace " $labels.cluster | query" (printf "%s | query" $values) -}}
{{- $text = $text | replace "{{ with $labels.cluster }} on {{ . }}{{ end }}" $words -}}
{{- with $hubs -}}
{{- $text = $text | replace "cluster=~\\\"$hub\\\"" (printf "%s=~\\\"$hub\\\"" (first .)) | replace "_info, cluster)" (printf "_info, %s)" (first .)) -}}
{{- end -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{/* What the operator may do in a watched namespace; in the whole cluster where it watches all. */}}
{{- define "cce-backup-watch.rules" -}}
- apiGroups: [cce.backupwatch.io]
  resources: [clusterbackupwatches]
  verbs: [get, list, watch]
{{- if .Values.sharding.enabled }}
# To remove the labels by which the sharder assigns a resource, when it moves one.
- apiGroups: [cce.backupwatch.io]
  resources: [clusterbackupwatches]
  verbs: [patch]
{{- end }}
# The whole status at once, with the resourceVersion that was read, so that a stale write is refused.
- apiGroups: [cce.backupwatch.io]
  resources: [clusterbackupwatches/status]
  verbs: [update]
# By name, as a resource names it; never listed.
- apiGroups: [""]
  resources: [secrets]
  {{- with .Values.rbac.secretNames }}
  resourceNames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{/* The arguments of the operator, one item of a list each. */}}
{{- define "cce-backup-watch.args" -}}
{{- $args := list "controller" -}}
{{- range .Values.watch.namespaces -}}
{{- $args = append $args (printf "--watch-namespace=%s" .) -}}
{{- end -}}
{{- with .Values.watch.labelSelector -}}
{{- $args = append $args (printf "--watch-label-selector=%s" .) -}}
{{- end -}}
{{- range $region, $url := .Values.cloud.regionEndpoints -}}
{{- $args = append $args (printf "--region-endpoint=%s=%s" $region $url) -}}
{{- end -}}
{{- if or .Values.cloud.ca.configMapName .Values.cloud.ca.secretName -}}
{{- $args = append $args "--ca-file=/etc/cce-backup-watch/ca/ca.crt" -}}
{{- end -}}
{{- with .Values.cloud.proxy.url -}}
{{- $args = append $args (printf "--proxy=%s" .) -}}
{{- end -}}
{{- range .Values.cloud.proxy.noProxy -}}
{{- $args = append $args (printf "--no-proxy=%s" .) -}}
{{- end -}}
{{- $args = append $args (printf "--account-rate=%v" .Values.cloud.accountRate) -}}
{{- $args = append $args (printf "--account-burst=%d" (int .Values.cloud.accountBurst)) -}}
{{- $args = append $args (printf "--request-timeout=%s" .Values.cloud.requestTimeout) -}}
{{- $args = append $args (printf "--concurrency=%d" (int .Values.concurrency)) -}}
{{- $args = append $args (printf "--operator-credentials=%s" .Values.operatorCredentials.source) -}}
{{- range .Values.operatorCredentials.namespaces -}}
{{- $args = append $args (printf "--operator-credentials-namespace=%s" .) -}}
{{- end -}}
{{- $args = append $args (printf "--listen=%s:%d" .Values.listen.address (int .Values.listen.port)) -}}
{{- if .Values.leaderElection.enabled -}}
{{- $args = append $args "--leader-elect" -}}
{{- $args = append $args (printf "--lease-namespace=%s" (include "cce-backup-watch.namespace" .)) -}}
{{- $args = append $args (printf "--lease-name=%s" (include "cce-backup-watch.leaseName" .)) -}}
{{- end -}}
{{- if .Values.sharding.enabled -}}
{{- $args = append $args (printf "--sharding-ring=%s" (include "cce-backup-watch.ringName" .)) -}}
{{- $args = append $args (printf "--lease-namespace=%s" (include "cce-backup-watch.namespace" .)) -}}
{{- end -}}
{{- $args = append $args (printf "--log-format=%s" .Values.log.format) -}}
{{- $args = append $args (printf "--log-filter=%s" .Values.log.filter) -}}
{{- toYaml (concat $args .Values.extraArgs) -}}
{{- end -}}

{{/* The ports of the cloud for a NetworkPolicy, as JSON: those that are listed, and those of the proxy and of the addresses that replace the
public ones. */}}
{{- define "cce-backup-watch.cloudPorts" -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.cloud.ports -}}
{{- $ports = append $ports (int .) -}}
{{- end -}}
{{- range concat (values .Values.cloud.regionEndpoints | sortAlpha) (list .Values.operatorCredentials.oidc.iamEndpoint .Values.cloud.proxy.url) -}}
{{- if . -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "80" "443" (eq $url.scheme "http")) -}}
{{- $ports = append $ports (int $port) -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}

{{/* Values that each are fine but do not go together. */}}
{{- define "cce-backup-watch.check" -}}
{{- if and (gt (int .Values.replicaCount) 1) (not (or .Values.leaderElection.enabled .Values.sharding.enabled)) -}}
{{- fail "replicaCount is more than 1: set leaderElection.enabled or sharding.enabled, or every replica polls" -}}
{{- end -}}
{{- if and .Values.leaderElection.enabled .Values.sharding.enabled -}}
{{- fail "leaderElection.enabled and sharding.enabled are both true: one replica works, or each works on its share" -}}
{{- end -}}
{{- if and .Values.cloud.ca.configMapName .Values.cloud.ca.secretName -}}
{{- fail "cloud.ca: set configMapName or secretName, not both" -}}
{{- end -}}
{{- with .Values.cloud.proxy -}}
{{- if and .url .secretName -}}
{{- fail "cloud.proxy: set url or secretName, not both" -}}
{{- end -}}
{{- if contains "@" .url -}}
{{- fail "cloud.proxy.url holds a user, which everybody could read who may read the Deployment: put the address into a Secret, and set cloud.proxy.secretName" -}}
{{- end -}}
{{- end -}}
{{- $identity := .Values.operatorCredentials -}}
{{- if and (eq $identity.source "environment") (not $identity.environment.secretName) -}}
{{- fail "operatorCredentials.source is environment: set operatorCredentials.environment.secretName" -}}
{{- end -}}
{{- if and (eq $identity.source "oidc") (not (and $identity.oidc.identityProvider $identity.oidc.audience)) -}}
{{- fail "operatorCredentials.source is oidc: set operatorCredentials.oidc.identityProvider and .audience" -}}
{{- end -}}
{{- if and (ne $identity.source "none") (not $identity.namespaces) -}}
{{- fail "operatorCredentials.source is set, but no namespace may use it: set operatorCredentials.namespaces" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled -}}
{{- fail "serviceMonitor.enabled and podMonitor.enabled are both true: the metrics would be scraped twice" -}}
{{- end -}}
{{- $policy := .Values.networkPolicy -}}
{{- if and $policy.enabled (or .Values.serviceMonitor.enabled .Values.podMonitor.enabled) (not $policy.metricsNamespaces) (not $policy.extraIngress) -}}
{{- fail "networkPolicy.enabled would keep Prometheus from the metrics: set networkPolicy.metricsNamespaces to its namespace, or networkPolicy.extraIngress" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not .Values.service.enabled) -}}
{{- fail "serviceMonitor.enabled needs service.enabled; without a Service use podMonitor" -}}
{{- end -}}
{{- end -}}
