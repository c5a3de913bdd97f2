# A site of real servers for the scripts of tests/: nginx for targets, dig for clients, one sidestep. Sourced.
BIN=${SIDESTEP:-target/release/sidestep}
NGINX=$(command -v nginx || echo /usr/sbin/nginx)
DIR=$(mktemp -d)
DNS_PORT=15353 HTTP_PORT=18053 WEB_PORT=18080

cleanup() {
    local code=$?
    [ -z "${asker:-}" ] || kill "$asker" 2>/dev/null || true
    for pid_file in "$DIR"/*.pid; do
        [ -s "$pid_file" ] && kill "$(cat "$pid_file")" 2>/dev/null || true
    done
    [ "$code" = 0 ] || { echo "--- daemon log"; tail -n 60 "$DIR/serve.log" 2>/dev/null; cat "$DIR/asked.log" 2>/dev/null | tail -5; }
    ! mountpoint -q "$DIR/data" || umount -l "$DIR/data"
    # Those that were asked to end may still write.
    rm -rf "$DIR" || { sleep 1; rm -rf "$DIR" || true; }
    exit "$code"
}
trap cleanup EXIT
# With pipefail, `| grep -q` also fails where it ends before its writer does: hence `grep -q … <<<"$(…)"` in all scripts.
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
    until grep -qE "$1" <<<"$({ status www; status www --json; } 2>&1)"; do
        [ $(( $(now_ms) - from )) -le 5000 ] || { status www; die "status never said $1"; }
        sleep 0.05
    done
}
serve() { "$BIN" serve "$DIR/sidestep.toml" >> "$DIR/serve.log" 2>&1 & echo $! > "$DIR/serve.pid"; }
kill_9() { local pid; pid=$(cat "$DIR/serve.pid"); kill -9 "$pid"; wait "$pid" 2>/dev/null || true; }
first_answer() { # what the very first reply says, however soon it is asked for
    local from reply; from=$(now_ms)
    until reply=$(dig +short +tries=1 +time=1 @127.0.0.1 -p $DNS_PORT www.example.com A | grep -E '^[0-9.]+$'); do
        [ $(( $(now_ms) - from )) -le 5000 ] || die "no answer after the start"
    done
    echo "$reply"
}
order() { "$BIN" "$@" --config "$DIR/sidestep.toml" --yes >> "$DIR/orders.log" 2>&1 || { cat "$DIR/orders.log"; die "$*"; }; }
