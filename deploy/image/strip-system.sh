#!/bin/sh
# Takes out of the root filesystem what only installing needs, and every program that changes the user; adds the user
# that the program runs as. dpkg's list of packages stays true, so scanners see what is in the image.
set -eu
fc-cache -sf
echo 'auditor:x:65532:65532:auditor:/nonexistent:/usr/sbin/nologin' >> /etc/passwd
echo 'auditor:x:65532:' >> /etc/group

doomed=""
for package in apt libapt-pkg7.0 debian-archive-keyring gpgv sqv login login.defs passwd libpam-runtime libpam-modules \
  libpam-modules-bin mount util-linux e2fsprogs logsave sysvinit-utils init-system-helpers fontconfig openssl \
  openssl-provider-legacy perl-base bsdutils ncurses-bin debconf; do
  if dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed$'; then doomed="$doomed $package"; fi
done
# Removal scripts may call what has gone already; they have nothing to undo in an image.
rm -f /var/lib/dpkg/info/*.prerm /var/lib/dpkg/info/*.postrm
# shellcheck disable=SC2086
dpkg --purge --force-depends --force-remove-essential --force-remove-protected $doomed >/dev/null 2>&1
find / -xdev -perm /6000 -exec chmod a-s {} +
rm -rf /var/cache/apt /var/lib/apt /var/cache/debconf /var/log/* /root/.cache /usr/share/doc-base /usr/share/locale/* \
  /usr/share/man/* /usr/share/info/* /etc/apt
