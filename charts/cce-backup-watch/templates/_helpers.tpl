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

{{/* The labels of a pod. Takes a dict of root, fixed (what selectors go by, which nothing replaces) and own, which wins over the labels of all
pods. The chart's version is none of them, since it would restart the operator when nothing of it changed. */}}
{{- define "cce-backup-watch.podLabels" -}}
{{- merge (dict) .fixed .own .root.Values.podLabels .root.Values.commonLabels | toYaml -}}
{{- end -}}

{{/* What fixes the labels of a pod that is not the operator's. Takes a dict of root and component. */}}
{{- define "cce-backup-watch.componentLabels" -}}
app.kubernetes.io/name: {{ include "cce-backup-watch.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* What the specs of all pods of the chart have in common: as whom they run, where, and how they find names. */}}
{{- define "cce-backup-watch.podSpec" -}}
# The variables that Kubernetes would set for each Service of the namespace are not used.
enableServiceLinks: false
{{- with include "cce-backup-watch.imagePullSecrets" . }}
{{ . }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- if .Values.hostNetwork }}
hostNetwork: true
{{- end }}
{{- with default (ternary "ClusterFirstWithHostNet" "" .Values.hostNetwork) .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Where a pod that runs one command goes: of the affinity only the part about nodes. The parts about pods speak of the operator's replicas, and
on a single node an anti-affinity to them would hold back every other pod. */}}
{{- define "cce-backup-watch.nodeAffinity" -}}
{{- with .Values.affinity.nodeAffinity -}}
affinity:
  nodeAffinity:
    {{- toYaml . | nindent 4 }}
{{- end -}}
{{- end -}}

{{/* The seconds of a duration such as 1h30m, rounded up. */}}
{{- define "cce-backup-watch.seconds" -}}
{{- $milliseconds := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h)" . -1 -}}
{{- /* Without leading zeros, which would make it an octal number. */}}
{{- $number := regexFind "[1-9][0-9]*" . | default "0" | int64 -}}
{{- $unit := get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) (regexFind "[a-z]+$" .) -}}
{{- $milliseconds = add $milliseconds (mul $number $unit) -}}
{{- end -}}
{{- div (add $milliseconds 999) 1000 -}}
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
replaced stands in these forms only, so that the label "cce_cluster" stays what it is. */}}
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

{{/* The rules of a NetworkPolicy that lead to DNS. */}}
{{- define "cce-backup-watch.egressDNS" -}}
# DNS. Answers that do not fit a datagram are asked for again on TCP.
- ports:
    - port: {{ .Values.networkPolicy.dns.port }}
      protocol: UDP
    - port: {{ .Values.networkPolicy.dns.port }}
      protocol: TCP
  {{- with .Values.networkPolicy.dns.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* The rules of a NetworkPolicy that lead to the cloud, and to what gives an identity there. Takes a dict of root and source, which is where the
identity comes from. */}}
{{- define "cce-backup-watch.egressCloud" -}}
{{- $policy := .root.Values.networkPolicy -}}
# Huawei Cloud.
- ports:
    {{- range include "cce-backup-watch.cloudPorts" .root | fromJsonArray }}
    - port: {{ int . }}
      protocol: TCP
    {{- end }}
  to:
    {{- range $policy.cloud.cidrs }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
{{- if eq .source "metadata" }}
# The metadata service of the node, where the identity comes from.
- ports:
    - port: 80
      protocol: TCP
  to:
    - ipBlock:
        cidr: 169.254.169.254/32
{{- end }}
{{- if and (eq .source "pod-identity") $policy.podIdentity.cidrs }}
# The agent of pod identity, at the address that HC_CONTAINER_CREDENTIALS_FULL_URI names.
- to:
    {{- range $policy.podIdentity.cidrs }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
  {{- with $policy.podIdentity.ports }}
  ports:
    {{- range . }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
  {{- end }}
{{- end }}
{{- with $policy.extraEgress }}
{{ toYaml . }}
{{- end }}
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
