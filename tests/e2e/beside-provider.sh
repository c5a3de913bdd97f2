#!/usr/bin/env bash
# examples/beside-provider with a real Knot, a real Unbound and two real nginx: a failover seen through the resolver
# within the TTL, and what is left while sidestep is down. Runs in a network namespace of its own, where the addresses
# of the example are this machine's.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "${1:-}" != inside ]; then
    as_root=(); [ "$(id -u)" = 0 ] || as_root=(--map-root-user)
    exec unshare --net "${as_root[@]}" -- "$BASH" "$0" inside
fi
PATH=$PATH:/usr/sbin
for tool in knotd unbound nginx dig; do
    command -v $tool > /dev/null || { echo "$tool is not there: skipped"; exit 0; }
done
ip link set lo up
for address in 192.0.2.1 192.0.2.53 203.0.113.10 198.51.100.20 1.1.1.1; do ip addr add $address/32 dev lo; done
. tests/site.sh
EXAMPLE=examples/beside-provider INTERVAL_MS=500 TIMEOUT_MS=300 FALL=3 TTL=5

ask() { dig +short +tries=1 +time=3 @127.0.0.1 "$@"; }                 # through the resolver
seen() { ask www.example.com A | tail -n 1; }
wait_seen() { # wait_seen ADDRESS LIMIT_MS FROM_MS: how long until the resolver gives it
    while [ "$(seen)" != "$1" ]; do
        [ $(( $(now_ms) - $3 )) -le "$2" ] || die "the resolver does not give $1 within $2 ms, but $(seen)"
        sleep 0.05
    done
    echo $(( $(now_ms) - $3 ))
}

# The example's files as they stand, but for folders of this machine and for how long we can wait.
sed -e "s,\"/run/knot\",\"$DIR\"," -e "s,\"/var/lib/knot\",\"$DIR/knot\"," -e "s,\"/etc/knot\",\"$PWD/$EXAMPLE\"," \
    $EXAMPLE/knot.conf > "$DIR/knot.conf"
sed -e "s,\"/etc/unbound\",\"$DIR\"," -e "s,\"/run/unbound.pid\",\"$DIR/unbound.pid\"," \
    $EXAMPLE/unbound.conf > "$DIR/unbound.conf"
sed -e "s,interval = \"5s\",interval = \"${INTERVAL_MS}ms\"," -e "s,timeout = \"2s\",timeout = \"${TIMEOUT_MS}ms\"," \
    -e "s,ttl = \"20s\",ttl = \"${TTL}s\"," -e "s,FAILBACK = \"5m\",FAILBACK = \"5s\"," \
    -e "s,\"9.9.9.9:53\",\"192.0.2.1:53\"," $EXAMPLE/sidestep.toml > "$DIR/sidestep.toml"
! diff -q "$DIR/sidestep.toml" $EXAMPLE/sidestep.toml > /dev/null || die "the example has other settings than this script knows"

say "a provider with Knot, a resolver with Unbound, two web servers"
mkdir -p "$DIR/knot"
knotd -c "$DIR/knot.conf" > "$DIR/knot.log" 2>&1 & echo $! > "$DIR/knotd.pid"
unbound -d -c "$DIR/unbound.conf" > "$DIR/unbound.log" 2>&1 & echo $! > "$DIR/resolver.pid"
web primary 203.0.113.10 80
web backup 198.51.100.20 80
"$BIN" check "$DIR/sidestep.toml" || die "check refused the example"
serve

from=$(now_ms)
took=$(wait_seen 203.0.113.10 10000 "$from")
say "www.example.com is the primary, through the resolver"
ask www.example.com A
[ "$(ask www.example.com A | head -n 1)" = www.fo.example.com. ] || die "the CNAME of the provider is not there"
[ "$(ask mail.example.com A)" = 192.0.2.25 ] || die "the rest of the provider's zone is not there"
grep -q 'AUTHORITY: [1-9]' <<<"$(dig +noall +comments @192.0.2.1 www.fo.example.com A)" || die "the provider does not delegate"
grep -q 'flags: qr aa' <<<"$(dig +noall +comments @192.0.2.53 www.fo.example.com A)" || die "sidestep is not authoritative"
[ "$(dig +short @192.0.2.53 fo.example.com NS | sort | tr '\n' ' ')" = "fo1.example.com. fo2.example.com. " ] \
    || die "both sides of the delegation do not say the same"
until grep -qE 'backup.*(up|UP)' <<<"$(status www)"; do
    [ $(( $(now_ms) - from )) -le 10000 ] || { status www; die "the backup is not up"; }
    sleep 0.1
done

LIMIT=$(( INTERVAL_MS * FALL + TIMEOUT_MS + TTL * 1000 + 1500 ))
say "stop the primary"
seen > /dev/null                                                       # so that the resolver remembers it
from=$(now_ms)
stop primary
took=$(wait_seen 198.51.100.20 $LIMIT "$from")
say "the resolver gives the backup after $took ms (limit $LIMIT: three failures and a TTL of ${TTL}s)"

say "start the primary"
from=$(now_ms)
web primary 203.0.113.10 80
took=$(wait_seen 203.0.113.10 $(( 5000 + LIMIT )) "$from")
say "home after $took ms"

say "sidestep is down: the name ends with its TTL, the rest of the zone does not"
kill "$(cat "$DIR/serve.pid")"; wait "$(cat "$DIR/serve.pid")" || die "serve did not stop cleanly"
[ "$(seen)" = 203.0.113.10 ] || die "the resolver forgot the answer before its TTL"
sleep $(( TTL + 1 ))
[ -z "$(ask www.fo.example.com A | grep -E '^[0-9.]+$')" ] || die "the resolver still has an answer"
[ "$(ask mail.example.com A)" = 192.0.2.25 ] || die "the rest of the zone is gone"
serve
from=$(now_ms)
took=$(wait_seen 203.0.113.10 20000 "$from")
say "sidestep is back: answered again after $took ms"
say "ok"
