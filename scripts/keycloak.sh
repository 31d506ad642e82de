#!/usr/bin/env bash
# Runs a real Keycloak on this machine, for tests of OpenID Connect: one node, its database in memory, everything anew at each start.
#
#   scripts/keycloak.sh start DIR PORT REALM   serves 127.0.0.1:PORT with the realm of the file REALM; returns at once
#   scripts/keycloak.sh stop  DIR              ends it
#   scripts/keycloak.sh fetch                  only fetches and prepares Keycloak, so that a later start needs no network
#
# Needs Java 17 or newer, and Maven and unzip for the first start on a machine. DIR/pid holds its process, DIR/keycloak.log what
# it says. It is there once /realms/NAME/.well-known/openid-configuration answers.
#
#   COVERLEDGER_KEYCLOAK_HOME   where the distribution is kept (default: target/keycloak-VERSION of this repository)
set -euo pipefail

readonly version=26.7.3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${COVERLEDGER_KEYCLOAK_HOME:-$here/../target/keycloak-$version}
# As little memory as it runs in, and no time for compiling what runs once.
export JAVA_OPTS_KC_HEAP="-Xms64m -Xmx512m" JAVA_OPTS_APPEND="-XX:TieredStopAtLevel=1"

fail() { printf 'keycloak.sh: %s\n' "$*" >&2; exit 1; }

usage() { sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2; exit 2; }

# The distribution comes through Maven. Its second step prepares it for this use, which a start would do each time.
# A directory is complete once it carries its mark, so an interrupted fetch is repeated.
fetch() {
  [ -e "$home/complete" ] && return
  command -v mvn >/dev/null || fail 'Maven (mvn) is needed to fetch Keycloak'
  command -v unzip >/dev/null || fail 'unzip is needed to unpack Keycloak'
  local work
  work=$(mktemp -d)
  if ! (cd "$work" && mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
    "-Dartifact=org.keycloak:keycloak-quarkus-dist:$version:zip" "-DoutputDirectory=$work" >&2); then
    rm -rf "$work"
    fail "Maven could not fetch Keycloak $version"
  fi
  unzip -q "$work/keycloak-quarkus-dist-$version.zip" -d "$work"
  rm -rf "$home"
  mkdir -p "$(dirname "$home")"
  mv "$work/keycloak-$version" "$home"
  rm -rf "$work"
  "$home/bin/kc.sh" build --db=dev-mem --features-disabled=admin,admin-api,account >"$home/build.log" 2>&1 ||
    fail "Keycloak could not be prepared, see $home/build.log"
  touch "$home/complete"
}

pid_of_node() { [ -s "$dir/pid" ] && cat "$dir/pid"; }

# A node reads and writes below its home: one of links, with folders of its own for what is written.
start() {
  local pid
  if pid=$(pid_of_node) && kill -0 "$pid" 2>/dev/null; then fail "already running in $dir with process $pid"; fi
  command -v java >/dev/null || fail 'Java 17 or newer is needed'
  [ -s "$realm" ] || fail "there is no realm in $realm"
  fetch
  home=$(cd "$home" && pwd)
  mkdir -p "$dir/home/data/import"
  local part
  for part in conf lib providers themes; do ln -sfn "$home/$part" "$dir/home/$part"; done
  cp -r "$home/bin" "$home/version.txt" "$dir/home/"
  cp "$realm" "$dir/home/data/import/"
  nohup "$dir/home/bin/kc.sh" start --optimized --import-realm --http-enabled=true --hostname-strict=false \
    --http-host=127.0.0.1 --http-port="$port" --cache=local >"$dir/keycloak.log" 2>&1 </dev/null &
  printf '%s\n' "$!" >"$dir/pid"
}

# kc.sh passes SIGTERM on to the Java process that it waits for; what does not end by it is killed with it.
stop() {
  local pid children tenths
  pid=$(pid_of_node) || return 0
  rm -f "$dir/pid"
  children=$(ps -o pid= --ppid "$pid") || true
  kill "$pid" 2>/dev/null || return 0
  for ((tenths = 0; tenths < 300; tenths++)); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  # shellcheck disable=SC2086 # several processes
  kill -9 "$pid" $children 2>/dev/null || true
}

[ $# -ge 1 ] || usage
case $1 in
  fetch) [ $# -eq 1 ] || usage; fetch; exit ;;
  start) [ $# -eq 4 ] || usage; port=$3 realm=$4 ;;
  stop) [ $# -eq 2 ] || usage ;;
  *) usage ;;
esac
mkdir -p "$2"
dir=$(cd "$2" && pwd)
"$1"
