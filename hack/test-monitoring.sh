#!/usr/bin/env bash
#
# Runs a Prometheus that scrapes the operator and evaluates every alert and every query of the dashboard: each must return data
# in the state that it is for.
#
#   test-monitoring.sh
#
# Alerts wait for minutes and hours, so here a minute becomes a second: sed shortens the windows of the expressions and "for", and
# a check shows that nothing else differs from what is shipped. promtool tests the alerts with their real times.
#
# The tools are taken from hack/control-plane/provision.sh. CBW_BIN_DIR may name a directory with cce-backup-watch and
# cce-simulator; otherwise cargo builds them. The last line is "N passed, N failed".
#
# Functions that only "check" calls look unreachable to shellcheck, and the variables in single quotes are Grafana's.
# shellcheck disable=SC2016,SC2317,SC2329
set -uo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 2
root=$PWD
readonly root chart=charts/cce-backup-watch hub=hub-a namespace=shop
readonly limit=150  # seconds until every alert fires; a watch is blind after 60 to 90

# shellcheck source=hack/check.sh
source hack/check.sh

scratch=$(mktemp -d)
children=()
clean_up() {
  ((${#children[@]} == 0)) || kill "${children[@]}" 2>/dev/null
  wait 2>/dev/null
  rm -rf -- "$scratch"
}
trap clean_up EXIT

answers() { (exec 9<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; } # PORT

# --- The states ----------------------------------------------------------------------------------------

cluster_id() { printf '%08d-2222-3333-4444-555555555555' "$1"; } # NUMBER
project_id() { printf '%032d' "$1"; }                           # NUMBER

# Sets what the simulator answers for a cluster.
simulate() { # NUMBER tasks|fault JSON
  local path
  path="/admin/clusters/$(cluster_id "$1")/$2"
  exec 9<>"/dev/tcp/127.0.0.1/$simulator" || return
  printf 'PUT %s HTTP/1.0\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s' "$path" "${#3}" "$3" >&9
  grep -q '^HTTP/1.[01] 20[04]' <&9
  local status=$?
  exec 9>&-
  return "$status"
}

# A watch of cluster NUMBER in project NUMBER. Each state has a project of its own, as accounts share their rate.
a_watch() { # NUMBER NAME [LINE-OF-SPEC...]
  local number=$1 name=$2 project=$1 region=cn-north-4 secret=huawei line
  shift 2
  case $name in
    crowd-*) project=900 ;;
    refused) secret=wrong ;;
    unreachable) region=cn-south-1 ;;
  esac
  cat <<EOF
---
apiVersion: cce.backupwatch.io/v1alpha1
kind: ClusterBackupWatch
metadata: {name: $name, namespace: $namespace, annotations: {cce.backupwatch.io/display-name: 集群 "$name"}}
spec:
  region: $region
  projectID: "$(project_id "$project")"
  clusterID: $(cluster_id "$number")
  credentials: {secretRef: {name: $secret}}
  activeInterval: 2s
EOF
  [[ " $* " == *' interval: '* ]] || printf '  interval: 10s\n'
  for line; do printf '  %s\n' "$line"; done
}

states() {
  local now hour_ago number
  now=$(date -u +%FT%TZ) hour_ago=$(date -u -d '1 hour ago' +%FT%TZ)
  local success='[{"uid": "s", "phase": "Success", "progress": 100, "creationTime": "'$now'", "completionTime": "'$now'"}]'
  simulate 1 tasks "$success" && a_watch 1 good 'maxAge: 1h'
  simulate 2 tasks '[{"uid": "f", "phase": "Failed", "progress": 62, "creationTime": "'"$now"'"}]' && a_watch 2 failed
  simulate 3 tasks '[{"uid": "o", "phase": "Success", "progress": 100, "creationTime": "'"$hour_ago"'", "completionTime": "'"$hour_ago"'"}]' &&
    a_watch 3 stale 'maxAge: 10s'
  simulate 4 tasks '[]' && a_watch 4 none 'maxAge: 10s'
  simulate 5 tasks '[{"uid": "r", "phase": "Running", "progress": 40, "creationTime": "'"$now"'"}]' && a_watch 5 stuck 'stuckAfter: 10s'
  simulate 6 tasks '[]' && a_watch 6 missing
  simulate 7 tasks '[]' && a_watch 7 refused 'maxAge: 1h'
  simulate 8 fault '{"status": 429, "code": "APIGW.0308", "message": "slow down"}' && a_watch 8 throttled 'maxAge: 1h'
  # So many failing watches that they make a quarter of all requests while their backoff is still short.
  for number in {40..49}; do
    simulate "$number" fault '{"status": 500, "code": "CCE.01500001", "message": "internal error"}' && a_watch "$number" "broken-$number" 'maxAge: 1h'
  done
  a_watch 9 unreachable 'maxAge: 1h'
  a_watch 10 paused 'maxAge: 1h' 'suspend: true'
  # More watches than the rate of their account allows, so that each is polled once a minute instead of every 10 s.
  for number in {20..31}; do
    simulate "$number" tasks "$success" && a_watch "$number" "crowd-$number" 'maxAge: 1h'
  done
}

# Removes rules from the CRD, because only an edited CRD accepts a resource that the operator cannot decode.
loosen_crd() {
  kubectl get crd clusterbackupwatches.cce.backupwatch.io --output json |
    jq '.spec.versions[0].schema.openAPIV3Schema.properties.spec |= (del(."x-kubernetes-validations") | .properties.interval = {type: "string"})' |
    kubectl replace --filename -
}
unreadable() { a_watch 11 unreadable 'interval: soon' | kubectl apply --filename -; }

# --- Prometheus ----------------------------------------------------------------------------------------

# Makes a second of each minute, and shortens thresholds in seconds accordingly.
shortened() {
  sed -E -e 's/\[[16]h(\]|:)/[60s\1/g' -e 's/(\[|:)([0-9]+)m(\]|:)/\1\2s\3/g' -e 's/:([0-9]+)m\]/:\1s]/g' -e 's/offset ([0-9]+)m/offset \1s/' \
    -e 's/^( +for:) .*/\1 1s/' -e 's/ \+ 600$/ + 5/' -e 's/^( *> )60$/\11/' "$chart/files/alerts.yaml"
}
# Checks that shortening has changed only times: without numbers and units, each line is the same as before.
only_times_differ() {
  local plain='s/[0-9]+[smhd]?//g'
  diff <(sed -E "$plain" "$chart/files/alerts.yaml") <(sed -E "$plain" "$scratch/rules.yaml") &&
    ! grep -nE '(\[|:)[0-9]+[mhd](\]|:)' "$scratch/rules.yaml"
}

query() { promtool query instant "http://127.0.0.1:$prometheus" "$1"; }
returns_data() { # QUERY
  local got
  if ! got=$(query "$1") || [[ -z $got ]]; then
    printf 'no data: %s\n%s\n' "$1" "$got"
    return 1
  fi
}

# --- What a stat panel of the dashboard shows --------------------------------------------------------------

# The query of a panel, with the values that Grafana inserts for its variables.
filled() { # NAMESPACES: reads queries
  sed -e 's/\\\\/\\/g' -e 's/\$__rate_interval/10s/g' -e "s/\\\$hub/$hub/g" -e 's/\$region/cn-north-4|cn-south-1/g' -e "s/\\\$namespace/$1/g" \
    -e 's/\$watch/.*/g'
}
# The colour that Grafana gives to what a panel's query returns: that of the last threshold which is not above the value, and of the
# first one without data.
colour() { # TITLE [NAMESPACES]
  local expr value
  expr=$(jq --raw-output --arg title "$1" '.panels[] | select(.title == $title and .type != "row") | .targets[0].expr' "$chart/files/dashboard.json" | filled "${2:-$namespace}")
  value=$(query "$expr" | sed -E 's/^.*=> ([^ ]+) @.*$/\1/')
  jq --raw-output --arg title "$1" --arg value "$value" '.panels[] | select(.title == $title and .type != "row") | .fieldConfig.defaults.thresholds.steps
    | map(select(.value == null or ($value != "" and .value <= ($value | tonumber)))) | last.color' "$chart/files/dashboard.json"
}
shows() { # COLOUR TITLE [NAMESPACES]
  local got
  got=$(colour "$2" "${3-}")
  [[ $got == "$1" ]] || { printf '%s is %s\n' "$2" "$got"; return 1; }
}
# How many watches a panel counts.
counts() { # TITLE MATCHER-OF-NAME NUMBER
  local expr
  expr=$(jq --raw-output --arg title "$1" '.panels[] | select(.title == $title and .type != "row") | .targets[0].expr' "$chart/files/dashboard.json" | filled "$namespace" |
    sed "s/namespace=~/name=~\"$2\", namespace=~/g")
  returns_data "($expr) == $3"
}
first_row() { jq --raw-output '.panels[] | select(.type == "stat" and .gridPos.y == 1) | .title' "$chart/files/dashboard.json"; }
all_red() { # [NAMESPACES]
  local title
  while read -r title; do shows red "$title" "${1-}" || return; done < <(first_row)
}
# Each row of the table has the age of a success; the highest stands first.
stands_first() { # NAMES-AS-REGULAR-EXPRESSION
  local expr top
  expr=$(jq --raw-output '.panels[] | select(.title == "Watches" and .type == "table") | .targets[] | select(.refId == "E") | .expr' \
    "$chart/files/dashboard.json" | filled "$namespace")
  top=$(query "topk(1, $expr)")
  grep -qE "name=\"($1)\"" <<<"$top" || { printf 'first stands %s\n' "$top"; return 1; }
}

fires() { returns_data "ALERTS{alertname=\"$1\", alertstate=\"firing\"${2:+, $2}}"; } # ALERT [MATCHERS]
# Looks back, because some states pass: failing clusters are polled ever less often, so their share of the requests falls.
fired() { # ALERT [MATCHERS]
  returns_data "last_over_time(ALERTS{alertname=\"$1\", alertstate=\"firing\"${2:+, $2}}[3m])" && return
  printf 'firing are:\n'
  query 'ALERTS' | cut -c 1-300
  return 1
}
alerts() { sed -n 's/^ *- alert: //p' "$chart/files/alerts.yaml"; }
all_fired() {
  local name
  while read -r name; do
    [[ $name == CCEBackupOperatorDown || $name == CCEUpgradeUnprotected ]] || fired "$name" || return
  done < <(alerts)
}
silent_about() { # WATCH
  local got
  got=$(query "ALERTS{name=\"$1\"}")
  [[ -z $got ]] || { printf '%s\n' "$got"; return 1; }
}
answer_of() { # ALERT: its texts, as Alertmanager would get them
  exec 9<>"/dev/tcp/127.0.0.1/$prometheus" && printf 'GET /api/v1/alerts HTTP/1.0\r\nHost: localhost\r\n\r\n' >&9 &&
    sed '1,/^\r*$/d' <&9 | jq --raw-output --arg name "$1" '.data.alerts[] | select(.labels.alertname == $name) | .annotations | .summary, .description'
  exec 9>&-
}
says() { # ALERT PATTERN
  local text
  text=$(answer_of "$1")
  grep -qE "$2" <<<"$text" || { printf 'it says: %s\n' "$text"; return 1; }
}

# The text format, as an older agent gets it.
text_is_sound() {
  exec 9<>"/dev/tcp/127.0.0.1/$operator" &&
    printf 'GET /metrics HTTP/1.0\r\nHost: localhost\r\nAccept: text/plain;version=0.0.4\r\n\r\n' >&9 && sed '1,/^\r*$/d' <&9 >"$scratch/metrics.txt"
  exec 9>&-
  # Both name suffixes that the contract has: a number of things that goes up and down, and a moment in seconds.
  promtool check metrics --extended --lint=none <"$scratch/metrics.txt"
}

# --- Notifications ---------------------------------------------------------------------------------------

# The receivers that a route of docs/notifications/alertmanager.yaml chooses for an alert.
goes_to() { # RECEIVER LABEL...
  local receiver=$1 got
  shift
  got=$(amtool config routes test --config.file=docs/notifications/alertmanager.yaml "$@") && [[ $got == "$receiver" ]] && return
  printf '%s goes to %s\n' "$*" "$got"
  return 1
}
# Each alert by the severity that it is shipped with.
each_goes_to_its_receiver() {
  local name severity receiver
  while read -r name severity; do
    case $severity in critical) receiver=on-call ;; *) receiver=platform ;; esac
    goes_to "$receiver" "alertname=$name" "severity=$severity" || return
  done < <(awk '/- alert:/ {name = $3} /severity:/ {print name, $2}' "$chart/files/alerts.yaml")
}
notifications() {
  check 'the example of a configuration of Alertmanager is sound' amtool check-config docs/notifications/alertmanager.yaml
  check 'it takes each alert to its receiver' each_goes_to_its_receiver
  check 'and nothing else' goes_to default alertname=KubePodCrashLooping severity=critical
}

# --- The checks ----------------------------------------------------------------------------------------

start() { # NAME COMMAND...
  local name=$1
  shift
  "$@" >"$scratch/$name.log" 2>&1 </dev/null &
  children+=($!)
  printf '%s' $! >"$scratch/$name.pid"
}

inside() {
  local name expr title number
  notifications
  kubectl apply --filename crds/clusterbackupwatches.yaml >/dev/null
  kubectl wait --for=condition=Established crd/clusterbackupwatches.cce.backupwatch.io --timeout=30s >/dev/null
  kubectl create namespace "$namespace" >/dev/null
  kubectl create secret generic huawei --namespace "$namespace" --from-literal=accessKey=AK --from-literal=secretKey=SK >/dev/null
  kubectl create secret generic wrong --namespace "$namespace" --from-literal=accessKey=AK2 --from-literal=secretKey=other >/dev/null

  simulator=$(free_port)
  start simulator "$CBW_BIN_DIR/cce-simulator" --listen "127.0.0.1:$simulator" --access-key AK --secret-key SK
  await 10 answers "$simulator"
  states >"$scratch/watches.yaml"
  check 'the watches of every state are accepted' kubectl apply --filename "$scratch/watches.yaml"
  check 'and one that the operator cannot read' eval 'loosen_crd && await 20 unreadable'

  operator=$(free_port)
  # A low rate for each account, so that many watches of one account are late.
  start operator "$CBW_BIN_DIR/cce-backup-watch" controller --listen "127.0.0.1:$operator" --account-rate 0.2 --account-burst 1 \
    --region-endpoint "cn-north-4=http://127.0.0.1:$simulator" --region-endpoint "cn-south-1=http://127.0.0.1:$(free_port)"

  shortened >"$scratch/rules.yaml"
  check 'the shortened rules differ from those that are shipped in times only' only_times_differ
  # Scrapes as a ServiceMonitor of the chart does: honor_labels keeps the labels of the metrics, so that the label "cluster" of the
  # info metric hides the one that is added for the hub.
  prometheus=$(free_port)
  cat >"$scratch/prometheus.yaml" <<EOF
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yaml]
scrape_configs:
  # Each of the two formats is read by Prometheus' own parser.
  - job_name: open-metrics
    scrape_protocols: [OpenMetricsText1.0.0]
    metric_relabel_configs: [{action: drop, regex: .*}]
    static_configs: [{targets: ["127.0.0.1:$operator"]}]
  - job_name: text
    scrape_protocols: [PrometheusText0.0.4]
    metric_relabel_configs: [{action: drop, regex: .*}]
    static_configs: [{targets: ["127.0.0.1:$operator"]}]
  - job_name: cce-backup-watch
    honor_labels: true
    static_configs:
      - targets: ["127.0.0.1:$operator"]
        labels: {cluster: $hub, pod: operator-0, namespace: cce-backup-watch}
EOF
  start prometheus prometheus --config.file="$scratch/prometheus.yaml" --storage.tsdb.path="$scratch/tsdb" \
    --web.listen-address="127.0.0.1:$prometheus" --log.level=warn
  check 'Prometheus starts' await 20 answers "$prometheus"

  # Wait for all of them together, then check each.
  await "$limit" all_fired >/dev/null
  while read -r name; do
    case $name in
      # The one needs a dead operator, the other an upgrade; both are shown by promtool.
      CCEBackupOperatorDown | CCEUpgradeUnprotected) continue ;;
      CCEBackupFailed) expr='name="failed", reason="BackupFailed"' ;;
      CCEBackupStale) expr='name="stale", reason="BackupStale"' ;;
      CCEBackupStuck) expr='name="stuck", reason="BackupStuck"' ;;
      CCEBackupMissing) expr='name="missing", reason="NoBackup"' ;;
      CCEBackupWatchNotReady) expr='name="unreachable", reason="CloudUnavailable", cce_region="cn-south-1"' ;;
      CCEBackupPollOverdue) expr='name=~"crowd-.*"' ;;
      CCEBackupCredentialsRefused) expr="reason=\"AuthenticationFailed\", cce_project=\"$(project_id 7)\"" ;;
      CCEBackupAccountBlocked) expr="cce_region=\"cn-north-4\", cce_project=\"$(project_id 8)\"" ;;
      CCEBackupEndpointBlocked) expr='endpoint=~".+"' ;;
      *) expr='' ;;
    esac
    check "$name fires, and says on which hub" await "$limit" fired "$name" "cluster=\"$hub\"${expr:+, $expr}"
  done < <(alerts)
  check 'a watch that never had a backup within its limit is stale' fires CCEBackupStale 'name="none", reason="NoBackup"'
  check 'an alert names the CCE cluster beside the hub, and as people call it' fires CCEBackupFailed \
    "cluster=\"$hub\", cce_cluster=\"$(cluster_id 2)\", cce_region=\"cn-north-4\", cce_project=\"$(project_id 2)\", display_name='集群 \"failed\"'"
  check 'and says since when, how old the last success is, and what to type' says CCEBackupStale \
    'Last success: 1h .* ago; limit: 10s\..*kubectl describe clusterbackupwatch stale --namespace shop'
  check 'Prometheus reads the metrics in OpenMetrics' eval 'answers "$operator" && await 20 returns_data "up{job=\"open-metrics\"} == 1"'
  check 'and in the text format 0.0.4' await 20 returns_data 'up{job="text"} == 1 and on () scrape_samples_scraped{job="text"} == on () scrape_samples_scraped{job="open-metrics"}'
  check 'promtool finds no fault in the text format' text_is_sound
  check 'a good watch raises none' silent_about good
  check 'a paused watch raises none' silent_about paused

  # Every query of the dashboard, with the values that Grafana inserts for its variables.
  while IFS=$'\t' read -r title expr; do
    check "panel $title" returns_data "$expr"
  done < <(jq --raw-output '.panels[] | .title as $title | .targets[]? | [$title + " " + .refId, .expr] | @tsv' "$chart/files/dashboard.json" |
    filled "$namespace")
  check 'the first row: an operator leads' shows green Operator
  check 'alerts fire' shows red Alerts
  check 'a watch that is not Ready is blind' counts Blind 'unreachable|refused' 2
  check 'and none that is paused or good' counts Blind 'good|paused' 0
  check 'a failed, a stale and a stuck backup are bad' counts Bad 'failed|stale|stuck|good|paused' 3
  check 'a paused watch is not healthy' counts Healthy 'good|paused|failed' 1
  check 'it is counted by itself' counts Suspended 'good|paused|failed' 1
  check 'a watch that never had a backup is the oldest' counts 'Oldest success' 'missing|good' 1e12
  check 'it is counted by itself too' counts 'Never succeeded' 'missing|good' 1
  check 'and stands first in the table' stands_first 'missing|none|failed|stuck|refused|throttled|unreachable|paused|broken-.*'
  kubectl patch clusterbackupwatch good --namespace "$namespace" --type merge --patch '{"spec": {"suspend": true}}' >/dev/null
  check 'what was good is healthy no more once it is paused' await 20 counts Healthy 'good|paused|failed' 0
  check 'without a watch all of it is red but for operator and alerts' shows red Healthy nowhere
  check 'so it is with the blind ones' shows red Blind nowhere
  while IFS=$'\t' read -r name expr; do
    # label_values(METRIC, LABEL)
    [[ $expr =~ ^label_values\((.*),\ ([a-z_]+)\)$ ]] || { check "variable $name" false; continue; }
    check "variable $name has values" returns_data "count by (${BASH_REMATCH[2]}) (${BASH_REMATCH[1]})"
  done < <(jq --raw-output '.templating.list[] | select(.type == "query") | [.name, .query.query] | @tsv' "$chart/files/dashboard.json" |
    sed -e "s/\\\$hub/$hub/g" -e "s/\\\$namespace/$namespace/g")

  check 'CCEBackupOperatorDown is silent while the operator runs' eval '! fires CCEBackupOperatorDown >/dev/null'
  kill "$(<"$scratch/operator.pid")"
  check 'and fires when it is gone' await 30 fires CCEBackupOperatorDown
  check 'then the whole first row of the dashboard is red' await 20 all_red
  # A Prometheus that scrapes nothing and has no rules.
  kill "$(<"$scratch/prometheus.pid")"
  prometheus=$(free_port)
  printf '{}' >"$scratch/empty.yaml"
  start empty prometheus --config.file="$scratch/empty.yaml" --storage.tsdb.path="$scratch/empty" --web.listen-address="127.0.0.1:$prometheus" --log.level=warn
  await 20 answers "$prometheus"
  check 'and so it is where there is no data at all' all_red
  ((failed == 0)) || tail -n 5 "$scratch"/*.log
}

if [[ ${1-} == --inside ]]; then
  inside
  printf '%s %s\n' "$passed" "$failed" >"$2"
  exit 0
fi

bin=$(hack/control-plane/provision.sh etcd kube-apiserver kubectl helm promtool prometheus amtool) || exit 2
export PATH=$bin:$PATH
command -v jq >/dev/null || { printf 'test-monitoring.sh: jq is not on PATH\n' >&2; exit 2; }
if [[ -z ${CBW_BIN_DIR-} ]]; then
  cargo build --locked --quiet --workspace || exit 2
  CBW_BIN_DIR=${CARGO_TARGET_DIR:-$root/target}/debug
fi
export CBW_BIN_DIR

hack/control-plane/run.sh -- "$root/hack/test-monitoring.sh" --inside "$scratch/counts"
read -r passed failed <"$scratch/counts" || { printf 'FAILED  the checks on a control plane did not end\n'; failed=1; }
printf '\n%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
