#!/usr/bin/env bash
# Two real nginx, a real daemon, dig: a failover, a failback, reloads good and bad, and no query unanswered.
# Runs in a network namespace of its own, where a witness can really become unreachable.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "${1:-}" != inside ]; then
    as_root=(); [ "$(id -u)" = 0 ] || as_root=(--map-root-user)
    exec unshare --net "${as_root[@]}" -- "$BASH" "$0" inside
fi
ip link set lo up
BIN=${SIDESTEP:-target/release/sidestep}
NGINX=$(command -v nginx || echo /usr/sbin/nginx)
DIR=$(mktemp -d)
DNS_PORT=15353 HTTP_PORT=18053 WEB_PORT=18080 WITNESS=10.99.0.4 WITNESS_PORT=18099
INTERVAL_MS=500 TIMEOUT_MS=300 FALL=3

cleanup() {
    local code=$?
    [ -z "${asker:-}" ] || kill "$asker" 2>/dev/null || true
    for pid_file in "$DIR"/*.pid; do
        [ -s "$pid_file" ] && kill "$(cat "$pid_file")" 2>/dev/null || true
    done
    [ "$code" = 0 ] || { echo "--- daemon log"; tail -n 60 "$DIR/serve.log" 2>/dev/null; cat "$DIR/asked.log" 2>/dev/null | tail -5; }
    rm -rf "$DIR"
    exit "$code"
}
trap cleanup EXIT
say() { printf '%s  %s\n' "$(date +%H:%M:%S.%3N)" "$*"; }
die() { say "FAILED: $*" >&2; exit 1; } # also from within $(...)
now_ms() { date +%s%3N; }

web() { # web NAME ADDRESS PORT: an nginx of its own
    mkdir -p "$DIR/$1"
    cat > "$DIR/$1.conf" <<CONF
pid $DIR/$1.pid;
error_log $DIR/$1.log;
worker_processes 1;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path $DIR/$1; proxy_temp_path $DIR/$1; fastcgi_temp_path $DIR/$1;
    uwsgi_temp_path $DIR/$1; scgi_temp_path $DIR/$1;
    server { listen $2:$3; location / { return 200 "ok from $1\n"; } }
}
CONF
    "$NGINX" -c "$DIR/$1.conf" -p "$DIR/$1" 2>>"$DIR/$1.log"
}
stop() { local pid; pid=$(cat "$DIR/$1.pid"); kill "$pid"; while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done; }
answer() { dig +short +tries=1 +time=1 @127.0.0.1 -p $DNS_PORT www.example.com A | sort | tr '\n' ' ' | sed 's/ $//'; }
wait_answer() { # wait_answer EXPECTED LIMIT_MS [FROM_MS]: how long until it is given
    local from limit; from=${3:-$(now_ms)}; limit=$2
    while [ "$(answer)" != "$1" ]; do
        [ $(( $(now_ms) - from )) -le "$limit" ] || die "no answer $1 within $limit ms, but $(answer)"
        sleep 0.02
    done
    echo $(( $(now_ms) - from ))
}
status() { "$BIN" status "$@" --config "$DIR/sidestep.toml"; }
wait_status() { # wait_status PATTERN: until `status www` says it
    local from; from=$(now_ms)
    until { status www; status www --json; } 2>&1 | grep -qE "$1"; do
        [ $(( $(now_ms) - from )) -le 5000 ] || { status www; die "status never said $1"; }
        sleep 0.05
    done
}

web primary 127.0.0.2 $WEB_PORT
web backup 127.0.0.3 $WEB_PORT
ip addr add $WITNESS/32 dev lo
web witness $WITNESS $WITNESS_PORT

mkdir -p "$DIR/policies"
cp policies/failover.rhai "$DIR/policies/www.rhai"
cat > "$DIR/sidestep.toml" <<CONF
[server]
name = "ns1"
dns = ["127.0.0.1:$DNS_PORT", "[::1]:$DNS_PORT"]
http = "127.0.0.1:$HTTP_PORT"

[witness]
addresses = ["$WITNESS:$WITNESS_PORT"]

[[zone]]
name = "example.com"
ns = ["ns1.example.com", "ns2.example.com"]

[[target]]
name = "primary"
addresses = ["127.0.0.2"]
[[target]]
name = "backup"
addresses = ["127.0.0.3"]

[[service]]
name = "www"
names = ["www.example.com", "example.com"]
targets = ["primary", "backup"]
monitors = [{ url = "http://www.example.com:$WEB_PORT/", interval = "${INTERVAL_MS}ms", timeout = "${TIMEOUT_MS}ms" }]
policy = "www.rhai"
params = { FALL = $FALL, FAILBACK = "5s" }
CONF
grep -q '^::1' /proc/net/if_inet6 2>/dev/null || [ -s /proc/net/if_inet6 ] || sed -i 's/, "\[::1\]:[0-9]*"//' "$DIR/sidestep.toml"

say "check"
"$BIN" check "$DIR/sidestep.toml" || die "check refused the configuration"

say "serve"
"$BIN" serve "$DIR/sidestep.toml" > "$DIR/serve.log" 2>&1 &
echo $! > "$DIR/serve.pid"
wait_answer 127.0.0.2 5000 >/dev/null
until curl -fs "http://127.0.0.1:$HTTP_PORT/readyz" >/dev/null; do sleep 0.02; done
wait_status 'primary.*(up|UP)'

# From here on every query must be answered, NOERROR and not empty.
( while [ ! -e "$DIR/enough" ]; do
      printf '%s\n' "$(dig +tries=1 +time=1 +noall +comments +answer @127.0.0.1 -p $DNS_PORT www.example.com A 2>&1 | grep -cE 'status: NOERROR|IN[[:space:]]+A[[:space:]]')" >> "$DIR/asked.log"
      sleep 0.02
  done ) >/dev/null 2>&1 &
asker=$!

LIMIT=$(( INTERVAL_MS * FALL + TIMEOUT_MS + 1000 ))
say "stop the primary"
from=$(now_ms)
stop primary
took=$(wait_answer 127.0.0.3 $LIMIT "$from")
say "dig gives the backup after $took ms (limit $LIMIT ms)"

say "start the primary"
from=$(now_ms)
web primary 127.0.0.2 $WEB_PORT
took=$(wait_answer 127.0.0.2 15000 "$from")
[ "$took" -ge 4000 ] || die "home after $took ms, before the policy's 5 s"
say "home after $took ms (the policy waits 5 s)"

say "a policy saved while it runs is in force"
sed -i 's/hold("on the primary")/hold("on the primary, by the edited policy").ttl(20 * SECOND)/' "$DIR/policies/www.rhai"
from=$(now_ms)
until dig +noall +answer @127.0.0.1 -p $DNS_PORT www.example.com A | grep -qE '[[:space:]]20[[:space:]]+IN'; do
    [ $(( $(now_ms) - from )) -le 3000 ] || die "the edited policy is not in force"
done
say "in force $(( $(now_ms) - from )) ms after the save, dig's own time included"
wait_status 'by the edited policy'

say "a syntax error is refused, and named"
cp "$DIR/policies/www.rhai" "$DIR/good.rhai"
printf '\nfn broken( {\n' >> "$DIR/policies/www.rhai"
wait_status 'www\.rhai:[0-9]+:[0-9]+: .*'
wait_status 'still running'
[ "$(answer)" = 127.0.0.2 ] || die "the answer changed"
cp "$DIR/good.rhai" "$DIR/policies/www.rhai"

say "a typo in the failover branch is refused, and named"
sed -i 's/return first_of(service\.up(RISE)/return first_off(service.up(RISE)/' "$DIR/policies/www.rhai"
grep -q first_off "$DIR/policies/www.rhai" || die "the typo was not made"
wait_status "unknown function 'first_off', did you mean 'first_of'"
cp "$DIR/good.rhai" "$DIR/policies/www.rhai"
from=$(now_ms)
while status www 2>&1 | grep -q first_off; do
    [ $(( $(now_ms) - from )) -le 5000 ] || die "the mended policy is still called refused"
    sleep 0.05
done

say "no witness reachable: nothing switches, and status says why"
ip addr del $WITNESS/32 dev lo
stop primary
wait_status 'witness'
sleep 4
[ "$(answer)" = 127.0.0.2 ] || die "it switched without a witness"
status www | grep -iE 'witness|isolat' | head -3
ip addr add $WITNESS/32 dev lo
took=$(wait_answer 127.0.0.3 10000)
say "a witness is back: the backup after $took ms"

touch "$DIR/enough"; wait $asker
asked=$(wc -l < "$DIR/asked.log")
bad=$(grep -cv '^2$' "$DIR/asked.log" || true)
say "$asked queries, $bad unanswered"
[ "$bad" = 0 ] || die "queries were lost"
dig +tcp +short @127.0.0.1 -p $DNS_PORT www.example.com A | grep -q 127.0.0.3 || die "no answer over TCP"
kill "$(cat "$DIR/serve.pid")"
wait "$(cat "$DIR/serve.pid")" || die "serve did not stop cleanly"
rm "$DIR/serve.pid"
say "ok"
