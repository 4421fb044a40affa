#!/bin/sh
# Installs what the tests need of the system and it lacks: for full disks, other users, and terminals.
set -eu
missing=""
for command in unshare setpriv mount script; do
    command -v "$command" >/dev/null 2>&1 || missing="$missing $command"
done
[ -z "$missing" ] && exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && apt-get install -y -qq util-linux bsdutils mount
else
    echo "The tests need$missing (Debian: util-linux, bsdutils, mount). Run 'make system' as root." >&2
    exit 1
fi
