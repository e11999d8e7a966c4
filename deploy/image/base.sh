#!/bin/sh
# base.sh [BUILDAH_FLAGS…]: a Debian 13 base made from Debian's packages with mmdebstrap, where no image registry is at
# hand. Prints its reference by digest. The tarball is kept in $CACHE for a week. The packages come from the mirror that this
# machine's apt uses, or from MIRROR (http://mirror.example/debian, with debian-security beside it).
set -eu
cache=${CACHE:-$HOME/.cache/auditor-image}
command -v mmdebstrap >/dev/null || { echo "image: mmdebstrap isn't installed; give a base image as BASE=name@sha256:…" >&2; exit 2; }
# shellcheck disable=SC2016  # apt expands $(REPO_URI)
mirror=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | sed -n 's|/debian/*$|/debian|p' | head -n 1)}
[ -n "$mirror" ] || { echo "image: apt here has no Debian mirror; name one as MIRROR=http://mirror.example/debian" >&2; exit 2; }
mkdir -p "$cache"
tar=$cache/debian-13.tar
# The packages change without a new name, so what a week-old base lacks is worth a new one.
find "$cache" -name debian-13.tar -mtime +7 -delete
if [ ! -s "$tar" ]; then
  echo "image: making a Debian base from packages ..." >&2
  mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    trixie "$cache/part.tar" "deb $mirror trixie main" "deb $mirror trixie-updates main" "deb $mirror-security trixie-security main" >&2
  mv "$cache/part.tar" "$tar"
fi
name=localhost/auditor-base:$(sha256sum "$tar" | cut -c1-16)
if ! buildah "$@" inspect --type image "$name" >/dev/null 2>&1; then
  container=$(buildah "$@" from scratch)
  buildah "$@" add -q "$container" "$tar" / >/dev/null
  buildah "$@" commit -q --rm "$container" "$name" >/dev/null
fi
echo "${name%:*}@$(buildah "$@" inspect --type image --format '{{.FromImageDigest}}' "$name")"
