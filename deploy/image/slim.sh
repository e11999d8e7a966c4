#!/bin/sh
# slim.sh ENVIRONMENT: takes out of the Python packages what the program never reads.
set -eu
packages=$(echo "$1"/lib/python3*/site-packages)

# The second, asynchronous client; the program uses the first.
rm -rf "$packages/kubernetes/aio"
# botocore describes every AWS service; a bucket needs these.
if [ -d "$packages/botocore/data" ]; then
  find "$packages/botocore/data" -mindepth 1 -maxdepth 1 -type d \
    ! -name s3 ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -r {} +
fi
# Formats of the languages that reports come in, or may come in next.
find "$packages/babel/locale-data" -name '*.dat' ! -name root.dat ! -name 'en*' ! -name 'zh*' ! -name 'de*' ! -name 'fr*' -delete
find "$packages" -type d \( -name tests -o -name test \) -prune -exec rm -r {} +
find "$packages" -name '*.pyi' -delete
