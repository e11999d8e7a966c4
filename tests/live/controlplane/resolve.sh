#!/bin/bash
# resolve.sh VERSION: writes go.mod and go.sum anew for that Kubernetes release (v1.37.2). The replacements in the
# go.mod of k8s.io/kubernetes count only there, so each of its staging repositories is pinned here too; the two
# samples that nothing imports are not served by every module proxy.
set -euo pipefail
cd "$(dirname "$0")"
release=$1
staging=v0.${release#v1.}
upstream=$(go mod download -json "k8s.io/kubernetes@$release" | sed -n 's/.*"GoMod": "\(.*\)",\{0,1\}$/\1/p')
etcd=$(awk '$1 == "go.etcd.io/etcd/client/v3" {print $2}' "$upstream")
{
  echo "module auditor.invalid/controlplane"
  echo
  grep -E '^(go|godebug) ' "$upstream"
  echo "tool github.com/yannh/kubeconform/cmd/kubeconform"
  echo "require ("
  echo "	k8s.io/kubernetes $release"
  echo "	go.etcd.io/etcd/server/v3 $etcd"
  echo "	sigs.k8s.io/kwok v0.8.0"
  echo "	helm.sh/helm/v4 v4.3.1"
  echo "	github.com/yannh/kubeconform v0.8.0"
  echo ")"
  echo "replace ("
  awk -v version="$staging" '/^replace \(/ {inside = 1; next} /^\)/ {inside = 0}
    inside && $2 == "=>" && $1 !~ /sample-(cli-plugin|controller)$/ {print "\t" $1 " => " $1 " " version}' "$upstream"
  echo ")"
} > go.mod
rm -f go.sum
go mod tidy
