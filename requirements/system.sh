#!/bin/sh
# What the system must have: Pango and HarfBuzz for WeasyPrint (libharfbuzz-subset0 keeps PDF bytes stable), Noto fonts with
# CJK, and for the tests a browser, PDF tools and buildah. Installed on Debian and Ubuntu when that is allowed, else told.
set -eu
packages="libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-noto-core fonts-noto-cjk"
if [ "${1:-}" = test ]; then
  packages="$packages chromium poppler-utils shellcheck buildah mmdebstrap"
  sh "$(dirname "$0")/monitoring.sh" "${AUDITOR_TEST_CACHE:-$HOME/.cache/auditor-tests}"
fi

if [ "$(uname)" = Darwin ]; then
  ls /opt/homebrew/lib/libpango-1.0.dylib /usr/local/lib/libpango-1.0.dylib >/dev/null 2>&1 ||
    echo "auditor: the PDF needs Pango and the Noto fonts: brew install pango font-noto-sans font-noto-sans-mono" >&2
  exit 0
fi
if ! command -v dpkg-query >/dev/null; then
  echo "auditor: install these packages (Debian names) with your system's package tool: $packages" >&2
  exit 0
fi
python3 -c 'import ensurepip' 2>/dev/null || packages="$packages python3-venv"
missing=""
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then as_root=""; elif sudo -n true 2>/dev/null; then as_root="sudo -n"; else
  echo "auditor: these system packages are missing; install them with: sudo apt-get install$missing" >&2
  exit 0
fi
echo "auditor: installing system packages:$missing" >&2
$as_root apt-get update -qq >/dev/null
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
