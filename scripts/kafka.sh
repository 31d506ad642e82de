#!/usr/bin/env bash
# Runs a real Apache Kafka on this machine, for tests and benchmarks: one KRaft node, broker and controller in one, and a
# second broker beside it where leaders are to move.
#
#   scripts/kafka.sh start DIR PORT   formats DIR on the first start; returns once the broker serves 127.0.0.1:PORT
#   scripts/kafka.sh stop  DIR PORT   ends it cleanly; its data stay
#   scripts/kafka.sh wipe  DIR PORT   ends it and deletes all that it kept in DIR
#   scripts/kafka.sh jars             only fetches Kafka, so that a later start needs no network
#
# Needs Java 17 or newer, and Maven for the first start on a machine. PORT and the two after it must be free
# (PORT + 1: controller; PORT + 2: TLS with SASL, when that is on).
#
#   COVERLEDGER_KAFKA_JARS    where the jars are kept     (default: target/kafka-VERSION of this repository)
#   COVERLEDGER_KAFKA_HEAP    heap of the broker          (default: 512m)
#   COVERLEDGER_KAFKA_PROPS   a properties file whose lines are added, and win, over the ones below
#   COVERLEDGER_KAFKA_MAX_MESSAGE_BYTES   largest record batch the broker takes (default: Kafka's own, about 1 MB)
#   COVERLEDGER_KAFKA_JOIN    DIR of a node that runs: this one joins it as a second broker
#   COVERLEDGER_KAFKA_SASL    USER:PASSWORD: a listener with TLS and SASL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512) for this
#                             user on PORT + 2; the authority to trust is then DIR/tls/ca.pem
set -euo pipefail

readonly version=4.3.1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
jars=${COVERLEDGER_KAFKA_JARS:-$here/../target/kafka-$version}

fail() { printf 'kafka.sh: %s\n' "$*" >&2; exit 1; }

usage() { sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2; exit 2; }

# The jars come through Maven; a directory is complete once it carries its mark, so an interrupted fetch is repeated.
fetch_jars() {
  [ -e "$jars/complete" ] && return
  command -v mvn >/dev/null || fail 'Maven (mvn) is needed to fetch Kafka'
  local project
  project=$(mktemp -d)
  cat >"$project/pom.xml" <<XML
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>coverledger</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <!-- Kafka brings no logging of its own; 2.x would not be found by the 1.7 interface that it is built for. -->
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
XML
  mkdir -p "$jars"
  local out
  out=$(cd "$jars" && pwd)
  if ! mvn --quiet --batch-mode --file "$project/pom.xml" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$out" >&2; then
    rm -rf "$project"
    fail "Maven could not fetch Kafka $version"
  fi
  rm -rf "$project"
  touch "$jars/complete"
}

pid_of_broker() { [ -s "$dir/pid" ] && cat "$dir/pid"; }

is_running() {
  local pid
  pid=$(pid_of_broker) && kill -0 "$pid" 2>/dev/null
}

# A small authority and a certificate for this machine's name and address; made once, valid long enough for a test.
make_certificates() {
  local tls=$dir/tls
  [ -e "$tls/broker.p12" ] && return
  command -v openssl >/dev/null || fail 'openssl is needed for the TLS listener'
  mkdir -p "$tls"
  {
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=coverledger test authority' \
      -keyout "$tls/ca.key" -out "$tls/ca.pem"
    openssl req -newkey rsa:2048 -nodes -subj '/CN=localhost' -keyout "$tls/broker.key" -out "$tls/broker.csr"
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >"$tls/names"
    openssl x509 -req -days 30 -in "$tls/broker.csr" -CA "$tls/ca.pem" -CAkey "$tls/ca.key" -CAcreateserial \
      -extfile "$tls/names" -out "$tls/broker.pem"
    openssl pkcs12 -export -in "$tls/broker.pem" -inkey "$tls/broker.key" -certfile "$tls/ca.pem" \
      -name broker -passout pass:coverledger -out "$tls/broker.p12"
  } >>"$dir/tls.log" 2>&1 || fail "no certificate could be made, see $dir/tls.log"
}

write_configuration() {
  local listeners="PLAINTEXT://127.0.0.1:$port" protocols=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
  if [ -n "${COVERLEDGER_KAFKA_SASL:-}" ]; then
    make_certificates
    listeners+=",SECURE://127.0.0.1:$((port + 2))"
    protocols+=,SECURE:SASL_SSL
  fi
  local roles=broker,controller node=1 controller=127.0.0.1:$((port + 1))
  local all_listeners=$listeners,CONTROLLER://$controller
  if [ -n "${COVERLEDGER_KAFKA_JOIN:-}" ]; then
    roles=broker node=2 all_listeners=$listeners
    controller=$(sed -n 's/^controller.quorum.bootstrap.servers=//p' "$COVERLEDGER_KAFKA_JOIN/server.properties")
  fi
  cat >"$dir/server.properties" <<PROPERTIES
process.roles=$roles
node.id=$node
log.dirs=$dir/log
listeners=$all_listeners
advertised.listeners=$all_listeners
listener.security.protocol.map=$protocols
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=$controller
# A second broker that comes back leads again before a test grows long.
leader.imbalance.check.interval.seconds=1
leader.imbalance.per.broker.percentage=0
# One node: with the default of three copies, groups and transactions would wait for ever.
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.retention.ms=-1
num.network.threads=2
num.io.threads=2
# Every partition's index files are allocated whole; the default of 10 MB each is a waste here.
log.index.size.max.bytes=1048576
PROPERTIES
  if [ -n "${COVERLEDGER_KAFKA_MAX_MESSAGE_BYTES:-}" ]; then
    cat >>"$dir/server.properties" <<PROPERTIES
message.max.bytes=$COVERLEDGER_KAFKA_MAX_MESSAGE_BYTES
replica.fetch.max.bytes=$COVERLEDGER_KAFKA_MAX_MESSAGE_BYTES
PROPERTIES
  fi
  if [ -n "${COVERLEDGER_KAFKA_SASL:-}" ]; then
    local user=${COVERLEDGER_KAFKA_SASL%%:*} password=${COVERLEDGER_KAFKA_SASL#*:}
    local scram=org.apache.kafka.common.security.scram.ScramLoginModule
    local plain=org.apache.kafka.common.security.plain.PlainLoginModule
    cat >>"$dir/server.properties" <<PROPERTIES
ssl.keystore.type=PKCS12
ssl.keystore.location=$dir/tls/broker.p12
ssl.keystore.password=coverledger
ssl.key.password=coverledger
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.secure.plain.sasl.jaas.config=$plain required user_$user="$password";
listener.name.secure.scram-sha-256.sasl.jaas.config=$scram required;
listener.name.secure.scram-sha-512.sasl.jaas.config=$scram required;
PROPERTIES
  fi
  if [ -n "${COVERLEDGER_KAFKA_PROPS:-}" ]; then cat "$COVERLEDGER_KAFKA_PROPS" >>"$dir/server.properties"; fi
}

format_log() {
  [ -e "$dir/log/meta.properties" ] && return
  # A cluster's identity is 16 bytes in URL-safe base64 without padding. Never with a '-': where it comes first,
  # Kafka's tool takes the identity for an option.
  local cluster scram=() quorum=--standalone
  cluster=$(head -c 16 /dev/urandom | base64 | tr '/+' '__' | tr -d '=')
  if [ -n "${COVERLEDGER_KAFKA_JOIN:-}" ]; then
    quorum=--no-initial-controllers
    cluster=$(sed -n 's/^cluster.id=//p' "$COVERLEDGER_KAFKA_JOIN/log/meta.properties")
  fi
  if [ -n "${COVERLEDGER_KAFKA_SASL:-}" ]; then
    local user=${COVERLEDGER_KAFKA_SASL%%:*} password=${COVERLEDGER_KAFKA_SASL#*:} mechanism
    for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do
      scram+=(--add-scram "$mechanism=[name=$user,password=$password]")
    done
  fi
  java -Xmx128m -XX:TieredStopAtLevel=1 -cp "$jars/*" kafka.tools.StorageTool format $quorum \
    --cluster-id "$cluster" --config "$dir/server.properties" ${scram[@]+"${scram[@]}"} >>"$dir/format.log" 2>&1 ||
    fail "the log could not be formatted, see $dir/format.log, which ends with:"$'\n'"$(tail -n 5 "$dir/format.log")"
}

start() {
  if is_running; then fail "already running in $dir with process $(pid_of_broker)"; fi
  command -v java >/dev/null || fail 'Java 17 or newer is needed'
  fetch_jars
  mkdir -p "$dir"
  write_configuration
  format_log
  local heap=${COVERLEDGER_KAFKA_HEAP:-512m} log=$dir/broker.log logger=-Dorg.slf4j.simpleLogger
  : >"$log"
  nohup java -Xms"$heap" -Xmx"$heap" -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -Djava.awt.headless=true \
    "$logger.defaultLogLevel=warn" "$logger.showDateTime=true" "$logger.log.kafka.server.KafkaRaftServer=info" \
    -cp "$jars/*" kafka.Kafka "$dir/server.properties" >>"$log" 2>&1 </dev/null &
  local pid=$!
  printf '%s\n' "$pid" >"$dir/pid"
  local tenths
  for ((tenths = 0; tenths < 1200; tenths++)); do
    if grep -q 'Kafka Server started' "$log"; then
      printf 'Kafka %s serves 127.0.0.1:%s, process %s\n' "$version" "$port" "$pid"
      return
    fi
    if ! kill -0 "$pid" 2>/dev/null; then
      tail -n 30 "$log" >&2
      rm -f "$dir/pid"
      fail "the broker ended while starting, see $log"
    fi
    sleep 0.1
  done
  fail "the broker did not serve within two minutes, see $log"
}

stop() {
  is_running || { rm -f "$dir/pid"; return 0; }
  local pid tenths
  pid=$(pid_of_broker)
  kill "$pid"
  for ((tenths = 0; tenths < 300; tenths++)); do
    kill -0 "$pid" 2>/dev/null || { rm -f "$dir/pid"; return 0; }
    sleep 0.1
  done
  kill -9 "$pid" 2>/dev/null || true
  rm -f "$dir/pid"
}

[ $# -ge 1 ] || usage
if [ "$1" = jars ]; then fetch_jars; exit; fi
[ $# -eq 3 ] || usage
mkdir -p "$2"
dir=$(cd "$2" && pwd)
port=$3
case $1 in
  start) start ;;
  stop) stop ;;
  wipe) stop; rm -rf "$dir/log" "$dir/tls" "$dir"/*.log "$dir/server.properties" ;;
  *) usage ;;
esac
