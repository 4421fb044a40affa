#!/bin/bash
# Runs one Elasticsearch node in the foreground, until it is sent SIGTERM or Ctrl-C:
#     start.sh HOME HTTP_PORT TRANSPORT_PORT [SETTING=VALUE...]
#     start.sh build
# HOME is a folder for its files and data, made where there is none. The node is built first, once (`target/`).
# For several nodes, each gets its own HOME and node.name=NAME, and discovery.seed_hosts=127.0.0.1:TRANSPORT_PORT,... and
# cluster.initial_master_nodes=NAME,...; without any discovery setting it is a cluster of its own.
# Needs a JDK of 21 or later (JAVA_HOME, or among the installed ones), Maven and unzip. ES_NODE_HEAP: its heap (512m).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$here/target

# The first JDK (a folder with javac) of 21 or later; JAVA_HOME is looked at first.
find_jdk() {
  local jdk major
  for jdk in "${JAVA_HOME:-}" /usr/lib/jvm/* /opt/java/* /opt/jdk* "$HOME"/.sdkman/candidates/java/* \
      /Library/Java/JavaVirtualMachines/*/Contents/Home; do
    [ -n "$jdk" ] && [ -x "$jdk/bin/javac" ] || continue
    major=$("$jdk/bin/javac" -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p')
    if [ "${major:-0}" -ge 21 ]; then echo "$jdk"; return; fi
  done
  echo "No JDK of version 21 or later was found (JAVA_HOME, /usr/lib/jvm, /opt/java). Install one (Debian 13:" \
    "openjdk-25-jdk-headless; or from adoptium.net), and set JAVA_HOME where it lies elsewhere." >&2
  return 1
}

newest_source() { find "$here/pom.xml" "$here/src" -newer "$build/built" 2>/dev/null | head -1; }

build_node() {
  mkdir -p "$build"
  exec 9>"$build/lock"
  flock 9  # of test runs side by side, one builds
  if [ ! -f "$build/built" ] || [ -n "$(newest_source)" ]; then
    rm -rf "$build"/{built,lib,main,classes,local-plugin.jar}
    (cd "$here" && mvn -q -B package) 9>&-
    # LocalNode lies apart: a class in two places of the class path stops a node ("jar hell").
    mkdir -p "$build/main/sightsound/node"
    cp "$build"/classes/sightsound/node/LocalNode*.class "$build/main/sightsound/node/"
    touch "$build/built"
  fi
  exec 9>&-
}

JAVA_HOME=$(find_jdk)
export JAVA_HOME
build_node
[ "${1:-}" = build ] && exit

home=$1 http=$2 transport=$3; shift 3
version=$(sed -n 's:.*<elasticsearch.version>\(.*\)</elasticsearch.version>.*:\1:p' "$here/pom.xml")
mkdir -p "$home"/{config,lib,logs,plugins,modules/transport-netty4,modules/local}
cp "$build"/lib/netty-*.jar "$build"/lib/transport-netty4-*.jar "$home/modules/transport-netty4/"
unzip -p "$build"/lib/transport-netty4-*.jar META-INF/es-plugins/transport-netty4/plugin-descriptor.properties \
  | sed 's/^modulename=.*/modulename=/' > "$home/modules/transport-netty4/plugin-descriptor.properties"
cp "$build/local-plugin.jar" "$home/modules/local/"
cat > "$home/modules/local/plugin-descriptor.properties" <<D
name=local
description=the english analyzer and GET /
version=$version
elasticsearch.version=$version
java.version=21
classname=sightsound.node.LocalPlugin
D
class_path=$build/main
for jar in "$build"/lib/*.jar; do
  case ${jar##*/} in netty-*|transport-netty4-*) ;; *) class_path+=:$jar ;; esac
done
case " $* " in *" discovery."*) discovery=() ;; *) discovery=(discovery.type=single-node) ;; esac
exec "$JAVA_HOME/bin/java" --enable-native-access=ALL-UNNAMED --add-modules jdk.incubator.vector \
  "-Xms${ES_NODE_HEAP:-512m}" "-Xmx${ES_NODE_HEAP:-512m}" ${ES_NODE_JAVA_OPTIONS:-} \
  -cp "$class_path" sightsound.node.LocalNode "$home" \
  "path.data=$home/data" "http.port=$http" "transport.port=$transport" "${discovery[@]}" "$@"
