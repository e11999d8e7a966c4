#!/bin/sh
# Collects what the auditor reads from a cluster into a folder, with kubectl.
#
#   sh collect.sh [--context NAME] [--kubeconfig FILE] [FOLDER]      (FOLDER: snapshot)
#
# It only ever runs `kubectl get`, `kubectl api-resources`, `kubectl config` and `kubectl auth whoami`. It reads no
# Secrets, and ConfigMaps by name only. Pod specs are written as the API server gives them, environment variables
# included, so treat the folder as confidential; the auditor drops those when it reads the folder.
#
# snapshot.yaml in the folder says which kinds were collected completely. A kind that could not be read (no
# permission, say) isn't claimed there, and the reason stands beside it as a comment.
#
# Environment: KUBECTL (the program, kubectl), FORMAT (yaml or json; json is read faster by the auditor).

set -eu
umask 077

kubectl=${KUBECTL:-kubectl}
format=${FORMAT:-yaml}
context=
kubeconfig=
folder=

die() {
    printf 'collect: %s\n' "$1" >&2
    exit "${2:-1}"
}

while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) sed -n '2,16s/^#//p' "$0"; exit 0 ;;
        --context | --kubeconfig)
            [ $# -ge 2 ] || die "$1 needs a value" 2
            if [ "$1" = --context ]; then context=$2; else kubeconfig=$2; fi
            shift ;;
        --context=*) context=${1#*=} ;;
        --kubeconfig=*) kubeconfig=${1#*=} ;;
        -*) die "unknown option $1" 2 ;;
        *)
            [ -z "$folder" ] || die "expected one folder" 2
            folder=$1 ;;
    esac
    shift
done

folder=${folder:-snapshot}
case $format in yaml | json) ;; *) die "FORMAT: expected yaml or json" 2 ;; esac
command -v "$kubectl" >/dev/null 2>&1 || die "$kubectl: not found (set KUBECTL)" 2
[ ! -e "$folder" ] || die "$folder is there already; nothing was changed" 2

work=$folder.partial.$$
mkdir -- "$work" || die "$work: can't be made" 4
trap 'rm -rf -- "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir -- "$work/.state"
state=$work/.state
: >"$state/claims"
: >"$state/done"
collected=0
missed=0

kube() {
    "$kubectl" ${context:+"--context=$context"} ${kubeconfig:+"--kubeconfig=$kubeconfig"} "$@" </dev/null
}

# One line of text as a double-quoted YAML scalar.
quoted() {
    printf '"%s"' "$(printf '%s' "$1" | tr -d '\000-\037\177' | sed 's/[\\"]/\\&/g')"
}

# claim GROUP RESOURCE NAMESPACE SELECTOR COMMAND
claim() {
    {
        printf -- '- group: %s\n  resource: %s\n' "$(quoted "$1")" "$2"
        if [ -n "$3" ]; then printf '  namespaces: [%s]\n' "$(quoted "$3")"; else printf '  namespaces: "*"\n'; fi
        printf '  selector: %s\n  command: %s\n' "$(quoted "$4")" "$(quoted "$5")"
    } >>"$state/claims"
}

# missing WHAT: the reason is the last thing that kubectl said.
missing() {
    reason=$(tail -n 1 "$state/errors" | tr -d '\000-\037\177' | cut -c 1-300)
    printf '# not complete: %s: %s\n' "$1" "$reason" >>"$state/claims"
    printf 'collect: %s: %s\n' "$1" "$reason" >&2
    missed=$((missed + 1))
}

served() {
    grep -Fqx -- "$1" "$state/served"
}

# list first|every namespaced|cluster GROUP RESOURCE NAME...: the objects of a kind, under the first or every name that
# is served. It is claimed only when all that was asked for came.
list() {
    mode=$1 scope=$2 group=$3 resource=$4
    shift 4
    asked=
    complete=yes
    for name in "$@"; do
        served "$name" || continue
        [ -z "$asked" ] || [ "$mode" = every ] || break
        get_all "$name" "$scope" || complete=no
        asked="$asked${asked:+; }kubectl get $name$all -o $format"
    done
    if [ -z "$asked" ]; then
        not_served "$group" "$resource"
    elif [ "$complete" = yes ]; then
        claim "$group" "$resource" '' '' "$asked"
    fi
}

# get_all NAME SCOPE: one file of all objects; on failure none, and the reason.
get_all() {
    all=
    [ "$2" = cluster ] || all=' --all-namespaces'
    # $all is one word or none.
    # shellcheck disable=SC2086
    if kube get "$1" $all -o "$format" >"$state/part" 2>"$state/errors"; then
        mv -- "$state/part" "$work/$1.$format"
        collected=$((collected + 1))
    else
        missing "$1"
        return 1
    fi
}

# A kind that isn't served is known not to exist, if the API server told all that it serves.
not_served() {
    if [ "$discovery" = complete ]; then
        claim "$1" "$2" '' '' 'kubectl api-resources --verbs=list -o name (not served)'
    else
        printf 'it may be served by an API group that does not answer\n' >"$state/errors"
        missing "$2${1:+.$1}"
    fi
}

plain_name() {
    case $1 in '' | -* | .* | *[!a-z0-9.-]*) return 1 ;; esac
}

# config_map NAMESPACE NAME: one ConfigMap. That it isn't there is an answer too.
config_map() {
    plain_name "$1" && plain_name "$2" || return 0
    grep -Fqx -- "$1/$2" "$state/done" && return 0
    printf '%s/%s\n' "$1" "$2" >>"$state/done"
    asked="kubectl get configmap $2 --namespace=$1 -o $format"
    if kube get configmap "$2" "--namespace=$1" -o "$format" >"$state/part" 2>"$state/errors"; then
        mv -- "$state/part" "$work/configmaps.$1.$2.$format"
        collected=$((collected + 1))
    elif ! grep -Fq '(NotFound)' "$state/errors"; then
        missing "configmap $1/$2"
        return 0
    fi
    claim '' configmaps "$1" "metadata.name=$2" "$asked"
}

printf 'collect: asking what the API server serves\n' >&2
discovery=complete
kube api-resources --verbs=list -o name >"$state/served" 2>"$state/errors" || discovery=partial
[ -s "$state/served" ] || die "$(tail -n 1 "$state/errors")"
collected_at=$(date -u +%Y-%m-%dT%H:%M:%SZ)

# @lists@

printf 'collect: named ConfigMaps\n' >&2
for name in istio istio-sidecar-injector istio-ca-root-cert; do config_map istio-system "$name"; done
for name in linkerd-config linkerd-identity-trust-roots; do config_map linkerd "$name"; done
for name in cilium-config kube-flannel-cfg antrea-config amazon-vpc-cni canal-config calico-config kube-router-cfg \
    azure-npm-config; do
    config_map kube-system "$name"
done
config_map kube-flannel kube-flannel-cfg
config_map openshift-ovn-kubernetes ovnkube-config
config_map ingress-nginx ingress-nginx-controller

# Istio's revisions: their injectors say which there are, and in which namespace the control plane is.
kube get mutatingwebhookconfigurations -o \
    'jsonpath={range .items[*]}{.metadata.labels.istio\.io/rev}{" "}{.webhooks[0].clientConfig.service.namespace}{"\n"}{end}' \
    >"$state/revisions" 2>/dev/null || :
while read -r revision namespace; do
    [ -n "$namespace" ] || continue
    config_map "$namespace" istio
    config_map "$namespace" istio-sidecar-injector
    [ "$revision" = default ] || config_map "$namespace" "istio-$revision"
    [ "$revision" = default ] || config_map "$namespace" "istio-sidecar-injector-$revision"
done <"$state/revisions"

# What agents and controllers mount or are told to read, wherever they run.
kube get deployments,daemonsets --all-namespaces -o \
    'jsonpath={range .items[*]}{.metadata.namespace}{" "}{.spec.template.spec.volumes[*].configMap.name}{"\n"}{end}' \
    >"$state/mounts" 2>/dev/null || :
while read -r namespace names; do
    for name in $names; do
        case $name in
            istio | istio-* | cilium-config | kube-flannel-cfg | antrea-config | antrea-config-* | linkerd-config | \
                linkerd-identity-trust-roots | amazon-vpc-cni | canal-config | calico-config | ovnkube-config | \
                kube-router-cfg) config_map "$namespace" "$name" ;;
        esac
    done
done <"$state/mounts"
kube get deployments,daemonsets --all-namespaces -o \
    'jsonpath={range .items[*]}{.metadata.namespace}{" "}{.spec.template.spec.containers[*].args}{"\n"}{end}' \
    >"$state/arguments" 2>/dev/null || :
sed -n 's/^\([^ ]*\) .*"--configmap=\([^"/]*\)\/\([^"]*\)".*/\1 \2 \3/p' "$state/arguments" >"$state/named"
while read -r own namespace name; do
    case $namespace in \$\(*) namespace=$own ;; esac
    config_map "$namespace" "$name"
done <"$state/named"

cluster=$context
[ -n "$cluster" ] || cluster=$(kube config current-context 2>/dev/null) || cluster=
uid=$(kube get namespace kube-system -o 'jsonpath={.metadata.uid}' 2>/dev/null) || uid=
user=$(kube auth whoami -o 'jsonpath={.status.userInfo.username}' 2>/dev/null) ||
    user=$(kube config view --minify -o 'jsonpath={.contexts[0].context.user}' 2>/dev/null) || user=

{
    printf 'format_version: 1\ncluster:\n'
    if [ -n "$cluster" ]; then printf '  name: %s\n' "$(quoted "$cluster")"; else printf '  name: null\n'; fi
    if [ -n "$uid" ]; then printf '  uid: %s\n' "$(quoted "$uid")"; else printf '  uid: null\n'; fi
    printf 'collected_at: "%s"\n' "$collected_at"
    if [ -n "$user" ]; then printf 'collected_by: %s\n' "$(quoted "$user")"; fi
    if grep -q '^- ' "$state/claims"; then printf 'complete:\n'; else printf 'complete: []\n'; fi
    cat "$state/claims"
} >"$work/snapshot.yaml"

[ "$collected" -gt 0 ] || die "nothing could be read; nothing was written"
rm -rf -- "$state"
[ ! -e "$folder" ] || die "$folder was made meanwhile; nothing was changed" 4
mv -- "$work" "$folder"
trap - EXIT
printf 'collect: %s files in %s' "$collected" "$folder" >&2
if [ "$missed" -gt 0 ]; then printf ', %s not read (see snapshot.yaml)' "$missed" >&2; fi
printf '\n' >&2
