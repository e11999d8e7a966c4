#!/bin/sh
# build.sh: builds the image, tries it, and prints its size. From the root of the repository.
#
#   BASE=name@sha256:…   the Debian 13 image to build on; without it, a base is made from Debian's packages (buildah alone)
#   ENGINE=…             docker, podman or buildah; default: buildah
#   TAG=…                default: localhost/auditor:VERSION
#   STORE=…              buildah's storage; default: its own
#   OUT=…                folder for the bill of materials; default: out/image
#   CA=… PIP_CONF=…      certificates to trust (default: $PIP_CERT) and the configuration of pip while building
set -eu
cd "$(dirname "$0")/../.."
engine=${ENGINE:-buildah}
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' auditor/__init__.py)
tag=${TAG:-localhost/auditor:$version}
out=${OUT:-out/image}
CA=${CA:-${PIP_CERT:-}}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
command -v "$engine" >/dev/null || { echo "image: $engine isn't installed" >&2; exit 2; }

set --
if [ "$engine" = buildah ]; then
  if [ -n "${STORE:-}" ]; then set -- --root "$STORE" --runroot "$STORE.run" --storage-driver "${STORAGE_DRIVER:-overlay}"; fi
  BASE=${BASE:-$(sh deploy/image/base.sh "$@")}
fi
case "${BASE:-}" in
  "") ;;
  *@sha256:*) ;;
  *) echo "image: BASE must be pinned as name@sha256:digest, not '$BASE'" >&2; exit 2 ;;
esac

mkdir -p "$out"
build() { # build FLAGS…
  # The flags in $common are single words.
  # shellcheck disable=SC2086
  if [ "$engine" = buildah ]; then
    # chroot isolation needs no container runtime, and works inside containers too.
    buildah "$@" bud --isolation "${ISOLATION:-chroot}" --layers $common -t "$tag" .
  else
    "$engine" build $common -t "$tag" .
  fi
}
common="-f deploy/image/Containerfile --build-arg VERSION=$version --build-arg REVISION=$revision"
[ -z "${BASE:-}" ] || common="$common --build-arg BASE=$BASE"
[ -z "${CA:-}" ] || common="$common --secret id=ca,src=$CA"
[ -z "${PIP_CONF:-}" ] || common="$common --secret id=pip.conf,src=$PIP_CONF"
echo "image: building $tag with $engine ..." >&2
build "$@" >"$out/build.log" 2>&1 || { tail -30 "$out/build.log" >&2; exit 1; }
if [ "$engine" != buildah ]; then
  "$engine" run --rm --entrypoint /bin/cat "$tag" /usr/share/sbom/auditor.cdx.json >"$out/auditor.cdx.json"
  "$engine" run --rm --read-only --tmpfs /tmp --user 65532:65532 "$tag" version
  exit 0
fi
container=$(buildah "$@" from "$tag")
trap 'buildah "$@" rm "$container" >/dev/null' EXIT
root=$(buildah "$@" mount "$container")
cp "$root/usr/share/sbom/auditor.cdx.json" "$out/auditor.cdx.json"
sh deploy/image/try.sh "$root" "$out"
echo "image: $tag, $(du -xsm "$root" | cut -f1) MB unpacked, $(tar -C "$root" -c . | gzip -1 | wc -c | awk '{printf "%d", $1/1e6}') MB packed; bill of materials: $out/auditor.cdx.json"
