#!/bin/sh
# Installs what the tests need of the system and it lacks: for full disks, other users, terminals, Elasticsearch,
# torchcodec, images, and the site in a browser.
set -eu
missing=""
for needed in unshare=util-linux setpriv=util-linux flock=util-linux mount=mount script=bsdutils mvn=maven unzip=unzip ffmpeg=ffmpeg \
    buildah=buildah podman=podman runc=runc debootstrap=debootstrap chromium=chromium; do
    command -v "${needed%%=*}" >/dev/null 2>&1 || missing="$missing ${needed##*=}"
done
[ -z "$missing" ] && exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    # shellcheck disable=SC2086  # several words are meant
    apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing
else
    echo "The tests need (Debian packages):$missing. Run 'make system' as root." >&2
    exit 1
fi
