#!/bin/sh
# try.sh ROOT OUT: runs the image's program as a cluster does: user 65532 without capabilities, read-only root, no home, no
# network. Prints the version and audits a sample, with its PDF, into OUT.
set -eu
root=$1
out=$(mkdir -p "$2" && cd "$2" && pwd)
sample=$(cd "$(dirname "$0")/../../samples/clusters/payments-istio" && pwd)
export root out sample
# shellcheck disable=SC2016
unshare --mount --pid --fork --net sh -eu -c '
  mount --make-rprivate /
  mount --bind "$root" "$root"
  mount -t tmpfs -o mode=1777,size=64m tmpfs "$root/tmp"
  mkdir "$root/tmp/sample"
  mount --bind -o ro "$sample" "$root/tmp/sample"
  mount -t proc proc "$root/proc"
  mount -o remount,ro,bind "$root"
  inside() { # a user change gives up all capabilities
    env -i PATH=/opt/auditor/bin:/usr/bin:/bin:/usr/sbin LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 \
      setpriv --no-new-privs chroot --userspec=65532:65532 --groups= "$root" "$@"
  }
  if inside /usr/bin/touch /written 2>/dev/null; then echo "try: the root filesystem can be written" >&2; exit 1; fi
  inside /opt/auditor/bin/auditor version
  inside /opt/auditor/bin/auditor audit /tmp/sample --scope /tmp/sample/scope.yaml --out /tmp/report \
    --at 2026-01-01T00:00:00Z --quiet
  cp "$root"/tmp/report/* "$out/"
'
