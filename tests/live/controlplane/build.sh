#!/bin/bash
# build.sh DIRECTORY: builds controlplane and kubeconform into DIRECTORY from the pinned Go modules; does nothing
# where what is there was built from the same sources by the same Go. Minutes when cold, and 3 GiB of Go's caches.
set -euo pipefail
cd "$(dirname "$0")"
target=$1
sources=$(cat go.mod go.sum main.go build.sh <(go version) | sha256sum | cut -d' ' -f1)
if [ -x "$target/controlplane" ] && [ "$(cat "$target/built-from" 2>/dev/null)" = "$sources" ]; then exit 0; fi
mkdir -p "$target"
exec 9> "$target/lock"
flock 9
if [ "$(cat "$target/built-from" 2>/dev/null)" = "$sources" ]; then exit 0; fi
echo "auditor: building the control plane of the live tests: about 10 minutes the first time, kept in $target" >&2
# No cgo: no C compiler and no external link. -trimpath: the build cache outlives a move of the module cache.
export CGO_ENABLED=0 GOWORK=off GOTOOLCHAIN=local GOFLAGS="-mod=readonly -buildvcs=false -trimpath"
release=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${release#v1.}
package=k8s.io/component-base/version
flags="-s -w -X $package.gitVersion=$release -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*}"
flags+=" -X $package.gitTreeState=clean -X $package.buildDate=1970-01-01T00:00:00Z"
go build -gcflags=all=-dwarf=false -ldflags "$flags" -o "$target/controlplane.new" .
go build -gcflags=all=-dwarf=false -ldflags "-s -w" -o "$target/kubeconform" github.com/yannh/kubeconform/cmd/kubeconform
mv "$target/controlplane.new" "$target/controlplane"
for program in etcd kube-apiserver kube-controller-manager kube-scheduler kubectl kwok helm; do
  ln -sf controlplane "$target/$program"
done
echo "$sources" > "$target/built-from"
