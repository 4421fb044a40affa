#!/bin/sh
# Installs what tests need of the system and lacks: unshare and setpriv, for full disks and other users.
set -eu
missing=""
for command in unshare setpriv mount; do
    command -v "$command" >/dev/null 2>&1 || missing="$missing $command"
done
[ -z "$missing" ] && exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && apt-get install -y -qq util-linux mount
else
    echo "The tests need$missing (Debian: util-linux, mount). Run 'make system' as root." >&2
    exit 1
fi
