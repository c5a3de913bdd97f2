#!/usr/bin/env bash
# What a probe costs, beside gdnsd in the same run: CPU per probe and resident memory of `sidestep serve`
# and of gdnsd 3.8, each probing the same addresses at the same rhythm, one at a time, in turns.
#
#   tests/peers/probe-cost.sh            TCP and HTTP beside gdnsd
#   tests/peers/probe-cost.sh down       sidestep alone, with 0 %, 50 % and 100 % of the targets refusing
#
# Needs nginx-light, gdnsd, curl, iproute2, util-linux and a release build. Runs in a network namespace of its
# own, where all of 127.0.0.0/8 answers and the kernel counts nobody else's connections.
#
# Probes are counted where they arrive: connections that nginx accepted, and beside them the kernel's count of
# connections begun (the only count there is of probes that are refused). CPU is user and system time of all
# threads, read from /proc in steps of 10 ms; nginx's own is not counted. An established connection is made
# whole by whoever connects, on loopback: both daemons pay for both ends of the handshake.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "${1:-}" != inside ]; then
    as_root=(); [ "$(id -u)" = 0 ] || as_root=(--map-root-user)
    exec unshare --net "${as_root[@]}" -- "$BASH" "$0" inside "$@"
fi
shift
WHAT=${1:-peer}
ip link set lo up

BIN=${SIDESTEP:-target/release/sidestep}
BEFORE=${BEFORE:-}                 # another build of sidestep, to be measured in the same run
KINDS=${KINDS:-tcp http}
TARGETS=${TARGETS:-2000}           # an even number: services have two targets each
INTERVAL_S=${INTERVAL_S:-2}        # 2 is gdnsd's shortest
WARM_S=${WARM_S:-10}
RUN_S=${RUN_S:-30}
ROUNDS=${ROUNDS:-3}                # the mean counts, and the spread of the ratios is printed beside it
DATA=${DATA:-}                     # sidestep's `data`, where it is to be told: gdnsd keeps no journal
WEB_PORT=18080 STATUS_PORT=18081 DEAD_PORT=18082 DNS_PORT=15353
NGINX=$(command -v nginx || echo /usr/sbin/nginx)
GDNSD=$(command -v gdnsd || echo /usr/sbin/gdnsd)
DIR=$(mktemp -d)
TICKS_PER_S=$(getconf CLK_TCK)

running=""
cleanup() {
    local code=$?
    [ -z "$running" ] || kill "$running" 2>/dev/null || true
    [ ! -s "$DIR/nginx.pid" ] || kill "$(cat "$DIR/nginx.pid")" 2>/dev/null || true
    [ "$code" = 0 ] || tail -n 20 "$DIR"/*.log 2>/dev/null || true
    rm -rf "$DIR"
    exit "$code"
}
trap cleanup EXIT
die() { echo "FAILED: $*" >&2; exit 1; }

address() { echo "127.1.$(( $1 / 250 )).$(( $1 % 250 + 1 ))"; }

start_nginx() {
    cat > "$DIR/nginx.conf" <<CONF
pid $DIR/nginx.pid;
error_log $DIR/nginx.log;
worker_processes 1;
worker_rlimit_nofile 16384;
events { worker_connections 8192; multi_accept on; }
http {
    access_log off;
    client_body_temp_path $DIR; proxy_temp_path $DIR; fastcgi_temp_path $DIR; uwsgi_temp_path $DIR; scgi_temp_path $DIR;
    server { listen $WEB_PORT backlog=4096; location / { return 200 "ok\n"; } }
    server { listen unix:$DIR/status; location / { stub_status; } }
}
CONF
    "$NGINX" -c "$DIR/nginx.conf" -p "$DIR" 2>> "$DIR/nginx.log"
}
accepted() { curl -s --unix-socket "$DIR/status" http://status/ | awk 'NR == 3 { print $1 }'; }
begun() { awk '$1 == "Tcp:" && $6 ~ /^[0-9]+$/ { print $6 }' /proc/net/snmp; }
cpu_ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }
rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
threads() { awk '/^Threads/ { print $2 }' "/proc/$1/status"; }

gdnsd_files() { # gdnsd_files KIND
    local root=$DIR/gdnsd-$1 type i
    mkdir -p "$root/zones" "$root/run" "$root/state"
    case $1 in
        tcp) type="plugin => tcp_connect, port => $WEB_PORT" ;;
        http) type="plugin => http_status, port => $WEB_PORT, vhost => www.example.com, url_path => /" ;;
    esac
    {
        echo "options => { listen = [127.0.0.1:$DNS_PORT], run_dir = $root/run, state_dir = $root/state }"
        echo "service_types => { probe => { $type, interval => $INTERVAL_S, timeout => 1 } }"
        echo "plugins => { multifo => {"
        for (( i = 0; i < TARGETS; i += 2 )); do
            echo "  s$i => { service_types => probe, a => $(address $i), b => $(address $(( i + 1 ))) }"
        done
        echo "} }"
    } > "$root/config"
    {
        printf '@ 300 SOA ns1 host 1 7200 1800 259200 300\n@ NS ns1\n@ NS ns2\nns1 A 127.0.0.1\nns2 A 127.0.0.1\n'
        for (( i = 0; i < TARGETS; i += 2 )); do echo "s$i 30 DYNA multifo!s$i"; done
    } > "$root/zones/example.com"
}
sidestep_files() { # sidestep_files KIND DOWN_PERCENT
    local root=$DIR/sidestep-$1-$2 i probe
    mkdir -p "$root"
    case $1 in
        tcp) probe="kind = \"tcp\"\nport = $WEB_PORT" ;;
        http) probe="url = \"http://www.example.com:$WEB_PORT/\"" ;;
    esac
    {
        printf '[server]\nname = "ns1"\ndns = ["127.0.0.1:%s"]\nhttp = "none"\n' "$DNS_PORT"
        [ -z "$DATA" ] || printf 'data = "%s"\n' "$DATA"
        printf '[[zone]]\nname = "example.com"\nns = ["ns1.example.net"]\n'
        printf '[[monitor]]\nname = "probe"\n%b\ninterval = "%ss"\ntimeout = "1s"\n' "$probe" "$INTERVAL_S"
        for (( i = 0; i < TARGETS; i++ )); do
            printf '[[target]]\nname = "t%s"\naddresses = ["%s"]\n' "$i" "$(address $i)"
            # Every second service of 50 %: whole services are down, as in an outage.
            (( $2 == 0 || ($2 == 50 && i / 2 % 2) )) || printf 'probe_at = ["%s:%s"]\n' "$(address $i)" "$DEAD_PORT"
        done
        for (( i = 0; i < TARGETS; i += 2 )); do
            printf '[[service]]\nname = "s%s"\nnames = ["s%s.example.com"]\ntargets = ["t%s", "t%s"]\nmonitors = ["probe"]\n' \
                "$i" "$i" "$i" "$(( i + 1 ))"
        done
    } > "$root/sidestep.toml"
}

# measure NAME COMMAND...: prints NAME, µs of CPU per probe, user share, probes, probes per second, RSS KiB, threads
measure() {
    local name=$1 pid rate from; shift
    "$@" >> "$DIR/$name.log" 2>&1 &
    pid=$!; running=$pid
    from=$(date +%s)
    # At work once it probes at nearly the full rate.
    while :; do
        kill -0 "$pid" 2>/dev/null || die "$name ended"
        rate=$(begun); sleep 1; rate=$(( $(begun) - rate ))
        (( rate * INTERVAL_S * 10 < TARGETS * 8 )) || break
        (( $(date +%s) - from < 120 )) || die "$name never came to its rhythm: $rate probes a second"
    done
    sleep "$WARM_S"
    local ticks probes arrived began_ns took_ns
    arrived=$(accepted); probes=$(begun); ticks=$(cpu_ticks "$pid"); began_ns=$(date +%s%N)
    sleep "$RUN_S"
    ticks=$(( $(cpu_ticks "$pid") - ticks )); probes=$(( $(begun) - probes )); took_ns=$(( $(date +%s%N) - began_ns ))
    arrived=$(( $(accepted) - arrived - 1 )) # less the one that asked
    printf '%s %s %s %s %s %s %s\n' "$name" \
        "$(awk -v t="$ticks" -v n="$probes" -v hz="$TICKS_PER_S" 'BEGIN { printf "%.1f", t / hz * 1e6 / n }')" \
        "$probes" "$arrived" "$(awk -v n="$probes" -v ns="$took_ns" 'BEGIN { printf "%.0f", n / ns * 1e9 }')" \
        "$(rss_kib "$pid")" "$(threads "$pid")" | tee -a "$DIR/results" >&2
    kill "$pid"; wait "$pid" 2>/dev/null || true
    running=""
    sleep 1
}
# row NAME FLOOR: the mean of NAME's rounds, and its ratio to FLOOR's: of the means, lowest and highest of a round
row() {
    awk -v name="$1" -v floor="$2" '
        $1 == floor { f[++m] = $2; fs += $2 }
        $1 == name { us[++n] = $2; sum += $2; rate += $5; if ($6 > rss) rss = $6 }
        END {
            for (i = 1; i <= n; i++) { r = us[i] / f[i]; if (i == 1 || r < low) low = r; if (r > high) high = r }
            printf "%-18s %10.1f %8.2f %6.2f-%.2f %9.1f %9d\n", name, sum / n, sum / fs, low, high, rss / 1024, rate / n
        }' "$DIR/results"
}
head_row() { printf '\n%-18s %10s %8s %11s %9s %9s\n' "$TARGETS targets/${INTERVAL_S}s" "us/probe" "ratio" "of rounds" "RSS MiB" "probes/s"; }

start_nginx
echo "name  µs/probe  probes  accepted  probes/s  RSS-KiB  threads" >&2
case $WHAT in
    peer)
        for kind in $KINDS; do gdnsd_files "$kind"; sidestep_files "$kind" 0; done
        for (( round = 1; round <= ROUNDS; round++ )); do
            for kind in $KINDS; do
                contestants=(gdnsd ${BEFORE:+before} sidestep)
                (( round % 2 )) || contestants=(sidestep ${BEFORE:+before} gdnsd)
                for who in "${contestants[@]}"; do
                    case $who in
                        gdnsd) measure "gdnsd-$kind" "$GDNSD" -c "$DIR/gdnsd-$kind" start ;;
                        before) measure "before-$kind" "$BEFORE" serve "$DIR/sidestep-$kind-0/sidestep.toml" ;;
                        sidestep) measure "sidestep-$kind" "$BIN" serve "$DIR/sidestep-$kind-0/sidestep.toml" ;;
                    esac
                done
            done
        done
        head_row
        for kind in $KINDS; do
            for who in gdnsd ${BEFORE:+before} sidestep; do row "$who-$kind" "gdnsd-$kind"; done
        done ;;
    down)
        for kind in $KINDS; do for down in 0 50 100; do sidestep_files "$kind" $down; done; done
        for (( round = 1; round <= ROUNDS; round++ )); do
            for kind in $KINDS; do for down in 0 50 100; do
                measure "$kind-$down%-down" "$BIN" serve "$DIR/sidestep-$kind-$down/sidestep.toml"
            done; done
        done
        head_row
        for kind in $KINDS; do
            for down in 0 50 100; do row "$kind-$down%-down" "$kind-0%-down"; done
        done ;;
    *) die "what is '$WHAT'? nothing, or 'down'" ;;
esac
