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
. tests/site.sh
WITNESS=10.99.0.4 WITNESS_PORT=18099 INTERVAL_MS=500 TIMEOUT_MS=300 FALL=3

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
serve
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
until grep -qE '[[:space:]]20[[:space:]]+IN' <<<"$(dig +noall +answer @127.0.0.1 -p $DNS_PORT www.example.com A)"; do
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
while grep -q first_off <<<"$(status www 2>&1)"; do
    [ $(( $(now_ms) - from )) -le 5000 ] || die "the mended policy is still called refused"
    sleep 0.05
done

middle=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
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
grep -q 127.0.0.3 <<<"$(dig +tcp +short @127.0.0.1 -p $DNS_PORT www.example.com A)" || die "no answer over TCP"
say "kill -9 while on the backup; the primary is well again meanwhile"
kill_9
web primary 127.0.0.2 $WEB_PORT
serve
[ "$(first_answer)" = 127.0.0.3 ] || die "the first answer after the start is not the backup"
say "the very first answer is the backup"

say "the same with a broken policy on disk"
kill_9
printf '\nfn broken( {\n' >> "$DIR/policies/www.rhai"
serve
[ "$(first_answer)" = 127.0.0.3 ] || die "the first answer after the start is not the backup"
wait_status 'www\.rhai:[0-9]+:[0-9]+: .*'
wait_status 'still running'
cp "$DIR/good.rhai" "$DIR/policies/www.rhai"
took=$(wait_answer 127.0.0.2 20000)
say "the very first answer is the backup, and home $took ms after the policy was mended"

say "an override, kill -9, start"
FOR=12
soonest=$(( $(now_ms) + FOR * 1000 ))
order switch www backup --reason "drill" --for ${FOR}s
until=$(( $(now_ms) + FOR * 1000 ))
[ "$(answer)" = 127.0.0.3 ] || die "the override is not in force"
kill_9
serve
[ "$(first_answer)" = 127.0.0.3 ] || die "the override is not in force at the first answer"
wait_status 'drill'
say "in force at the first answer; $(( until - $(now_ms) )) ms to go"
wait_answer 127.0.0.2 15000 >/dev/null
ended=$(now_ms); late=$(( ended - until ))
[ "$ended" -ge $(( soonest - 100 )) ] || die "the override ended $(( soonest - ended )) ms early"
[ "$late" -le 1000 ] || die "the policy decided $late ms after the end of the override"
say "its end: the policy decides again, home within $late ms of it"
"$BIN" log www --since 1h --config "$DIR/sidestep.toml" | tail -n 8

kill "$(cat "$DIR/serve.pid")"
wait "$(cat "$DIR/serve.pid")" || die "serve did not stop cleanly"
rm "$DIR/serve.pid"

say "replayed under its own policies, all of it comes again: reloads, overrides, restarts, kill -9"
faithful() { # faithful RECORDING [ARGUMENTS]: that every recorded decision comes again
    local report code=0; report=$DIR/replay.json
    "$BIN" replay "$@" --format json -o "$report" || code=$?
    [ "$code" = 0 ] || die "replay $* ended with $code"
    python3 - "$report" <<'PY' || die "replay $*"
import json, sys
report = json.load(open(sys.argv[1]))
fidelity = report["fidelity"]
print(f"  {report['input']['observations']} observations, {fidelity['reproduced']} of {fidelity['decisions']} decisions,"
      f" {fidelity['extra']} extra; recorded {report['recorded']['switches']} switches, replayed {report['candidate']['switches']}")
if fidelity["first_difference"]: print(" ", fidelity["first_difference"])
good = fidelity["decisions"] == fidelity["reproduced"] > 0 and fidelity["extra"] == 0 and fidelity["guaranteed"]
same = report["recorded"]["switches"] == report["candidate"]["switches"] and report["verdict"] == "same"
sys.exit(0 if good and same else 1)
PY
}
faithful "$DIR/data"
say "so does what is exported, whole, from the middle on, and read back into a journal"
export_to() { "$BIN" export --config "$DIR/sidestep.toml" -o "$@" >> "$DIR/export.log" 2>&1 || { cat "$DIR/export.log"; die "export $*"; }; }
export_to "$DIR/whole.jsonl.zst"
faithful "$DIR/whole.jsonl.zst"
export_to "$DIR/cut.jsonl" --service www --since "$middle"
grep -q '"state":' <<<"$(sed -n 2p "$DIR/cut.jsonl")" || die "a stretch does not begin with its state"
faithful "$DIR/cut.jsonl"
"$BIN" import "$DIR/whole.jsonl.zst" --data "$DIR/again" || die "import"
faithful "$DIR/again"
"$BIN" explain www "$DIR/whole.jsonl.zst" --at "$middle" | head -n 12
[ -z "${KEEP_RECORDING:-}" ] || cp "$DIR/whole.jsonl.zst" "$KEEP_RECORDING"
say "ok"
