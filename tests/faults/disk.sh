#!/usr/bin/env bash
# A failover while the disk is full, and one while every sync takes a second: DNS changes within 300 ms of the
# decision, the alarm stands, and afterwards the journal is whole or names its gap. Needs root, for a small tmpfs
# in a mount namespace of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "${1:-}" != inside ]; then
    as_root=(); [ "$(id -u)" = 0 ] || as_root=(--map-root-user)
    exec unshare --net --mount "${as_root[@]}" -- "$BASH" "$0" inside
fi
ip link set lo up
. tests/site.sh
LIMIT_MS=300
mkdir -p "$DIR/policies" "$DIR/data"
mount -t tmpfs -o size=4m none "$DIR/data"
cat > "$DIR/sidestep.toml" <<CONF
[server]
name = "ns1"
dns = ["127.0.0.1:$DNS_PORT"]
http = "127.0.0.1:$HTTP_PORT"
[[zone]]
name = "example.com"
ns = ["ns1.example.com"]
[[target]]
name = "primary"
addresses = ["127.0.0.2"]
[[target]]
name = "backup"
addresses = ["127.0.0.3"]
[[service]]
name = "www"
names = ["www.example.com"]
targets = ["primary", "backup"]
monitors = [{ url = "http://www.example.com:$WEB_PORT/", interval = "200ms", timeout = "150ms" }]
params = { FAILBACK = "2s" }
CONF
web primary 127.0.0.2 $WEB_PORT
web backup 127.0.0.3 $WEB_PORT

follow() { # every answer with its time, ms since the epoch
    while [ ! -e "$DIR/enough" ]; do a=$(answer) || a=none; printf '%s %s\n' "$(now_ms)" "$a"; done > "$DIR/answers.log" &
    asker=$!
}
unfollow() { # ends that, and says whether every query was answered
    local asked answered
    touch "$DIR/enough"; wait "$asker"; rm "$DIR/enough"
    answered=$(grep -cE ' 127\.0\.0\.[23]$' "$DIR/answers.log"); asked=$(wc -l < "$DIR/answers.log")
    say "$asked queries, $(( asked - answered )) unanswered"
    [ "$asked" = "$answered" ] || die "queries were lost"
}
took() { # took TARGET ADDRESS LINE: from the first decision for it in the daemon's log after that line to the first answer
    local line decided first
    line=$(tail -n "+$3" "$DIR/serve.log" | grep ' decision ' | grep "serve=$1 ")
    decided=$(date -d "${line%% *}" +%s%3N) # of the first of these lines
    until first=$(awk -v wanted="$2" '$2 == wanted { print $1; exit }' "$DIR/answers.log") && [ -n "$first" ]; do sleep 0.02; done
    echo $(( first - decided ))
}
logged() { wc -l < "$DIR/serve.log"; }
committed() { status --json | grep -oE '"committed": ?[0-9]+' | grep -oE '[0-9]+'; }
wait_until() { # wait_until SECONDS COMMAND…
    local end=$(( $(now_ms) + $1 * 1000 )); shift
    until "$@" >/dev/null 2>&1; do [ "$(now_ms)" -le "$end" ] || die "never: $*"; sleep 0.05; done
}
is_degraded() { grep -qE '"degraded": ?\{' <<<"$(status --json)"; }
is_well() { ! is_degraded; }
whole() { # the journal says nothing wrong of itself, and every event up to the last is there or in a gap
    [ "$(sqlite3 "$DIR/data/journal.sqlite" 'PRAGMA integrity_check')" = ok ] || die "integrity_check"
    sqlite3 "$DIR/data/journal.sqlite" '
        WITH s AS (SELECT seq FROM observation UNION ALL SELECT seq FROM event)
        SELECT (SELECT count(*) FROM s) || " of " || (SELECT max(seq) - min(seq) + 1 FROM s) || " events, " ||
               (SELECT count(*) FROM event WHERE kind = "gap") || " gaps"'
}

serve
wait_answer 127.0.0.2 5000 >/dev/null
wait_status 'primary.*(up|UP)'
wait_status 'backup.*(up|UP)'

say "the disk is full"
dd if=/dev/zero of="$DIR/data/ballast" bs=4k 2>/dev/null || true
wait_until 20 is_degraded
follow
from=$(logged)
stop primary
wait_answer 127.0.0.3 5000 >/dev/null
ms=$(took backup 127.0.0.3 "$from")
say "failover with the disk full: the answer changed $ms ms after the decision (limit $LIMIT_MS ms)"
[ "$ms" -le $LIMIT_MS ] || die "too late"
is_degraded || die "no alarm stands"
status www | grep -iE 'disk|journal' || die "status says nothing of the disk"
rm "$DIR/data/ballast"
wait_until 20 is_well
say "the disk is back: $(whole)"
unfollow
kill_9
web primary 127.0.0.2 $WEB_PORT
serve
[ "$(first_answer)" = 127.0.0.3 ] || die "the decision of the full disk is lost"
say "kill -9 afterwards: the first answer is the backup"
wait_answer 127.0.0.2 15000 >/dev/null
kill "$(cat "$DIR/serve.pid")"; wait "$(cat "$DIR/serve.pid")" || die "serve did not stop cleanly"

say "every sync takes a second"
strace -f --seccomp-bpf -qq -o /dev/null -e trace=fdatasync,fsync -e inject=fdatasync,fsync:delay_enter=1000000 \
    "$BIN" serve "$DIR/sidestep.toml" >> "$DIR/serve.log" 2>&1 & echo $! > "$DIR/serve.pid"
wait_answer 127.0.0.2 20000 >/dev/null
wait_status 'primary.*(up|UP)'
wait_status 'backup.*(up|UP)'
follow
from=$(logged)
stop primary
wait_answer 127.0.0.3 5000 >/dev/null
ms=$(took backup 127.0.0.3 "$from")
say "failover with a slow disk: the answer changed $ms ms after the decision (limit $LIMIT_MS ms)"
[ "$ms" -le $LIMIT_MS ] || die "too late"
wait_status 'the disk is slow'
unfollow
pkill -TERM -P "$(cat "$DIR/serve.pid")"; wait "$(cat "$DIR/serve.pid")" || true
say "stopped: $(whole)"
if grep -q panicked "$DIR/serve.log"; then die "a panic"; fi
rm "$DIR/serve.pid"
say "ok"
