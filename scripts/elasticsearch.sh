#!/bin/sh
# Runs one Elasticsearch node until Ctrl-C. PORT: where it listens (9200). Its data lie in elasticsearch-out/.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
port=${PORT:-9200}
bash "$root/tests/elasticsearch-node/start.sh" build
cat >&2 <<TEXT
Elasticsearch at http://127.0.0.1:$port in some seconds; Ctrl-C ends it. In another terminal:
    export ELASTICSEARCH_URL=http://127.0.0.1:$port
    sightsound index photos --store \$ELASTICSEARCH_URL
TEXT
exec bash "$root/tests/elasticsearch-node/start.sh" "$root/elasticsearch-out" "$port" "$((port + 100))"
