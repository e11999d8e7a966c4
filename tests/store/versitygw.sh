#!/bin/sh
# versitygw.sh DIRECTORY: builds the S3 gateway that the bucket's tests run against, pinned; nothing where it is there.
# About two minutes when cold.
set -eu
version=v1.8.0
target=$1/versitygw-$version
[ -x "$target/versitygw" ] && exit 0
mkdir -p "$target"
exec 9> "$target/lock"
flock 9
[ -x "$target/versitygw" ] && exit 0
CGO_ENABLED=0 GOWORK=off GOFLAGS="-buildvcs=false -trimpath" GOBIN="$target/new" \
  go install -ldflags "-s -w" "github.com/versity/versitygw/cmd/versitygw@$version"
mv "$target/new/versitygw" "$target/versitygw"
rmdir "$target/new"
