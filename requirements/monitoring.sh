#!/bin/sh
# monitoring.sh DIRECTORY: Prometheus, promtool and the Pushgateway for the tests, taken out of Debian's packages without
# installing them: no root is needed and no service starts. Does nothing where they are there, or without apt.
set -eu
target=$1/prometheus
programs="prometheus promtool prometheus-pushgateway"
missing=""
for program in $programs; do [ -x "$target/usr/bin/$program" ] || missing=yes; done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
  echo "auditor: the tests of metrics need $programs on PATH; they are skipped without" >&2
  exit 0
fi
mkdir -p "$target"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
if ! apt-get -qq download prometheus prometheus-pushgateway >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ]; then apt-get update -qq >/dev/null; fi
  apt-get -qq download prometheus prometheus-pushgateway >/dev/null || {
    echo "auditor: Prometheus can't be downloaded; the tests of metrics are skipped without" >&2
    exit 0
  }
fi
for package in ./*.deb; do dpkg-deb -x "$package" "$target"; done
