#!/usr/bin/env bash
# Answers beside those of Knot, NSD and BIND: all four servers with the same random zones, thousands of questions
# to each, every field of every answer compared (tests/suite/dns/peers.rs). A difference that stands in
# answers.differences has a reason; another one fails, and so does a reason without a difference.
#
#   SEED=2 QUESTIONS=200000 WORLDS=40 tests/peers/answers.sh     other zones, more of them
#   FOLDER=/somewhere tests/peers/answers.sh      configurations, zones and logs are left there
#
# Needs knot, nsd, bind9, iproute2 and util-linux. Runs in a network namespace of its own; what it starts ends with it.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "${1:-}" != inside ]; then
    for program in knotd nsd named; do
        command -v "$program" >/dev/null || [ -x "/usr/sbin/$program" ] || { echo "FAILED: $program is not installed" >&2; exit 1; }
    done
    cargo build --quiet
    cargo test --quiet --test suite --no-run
    as_root=(); [ "$(id -u)" = 0 ] || as_root=(--map-root-user)
    exec unshare --net --pid --fork --kill-child "${as_root[@]}" -- "$BASH" "$0" inside
fi
ip link set lo up
exec cargo test --quiet --offline --test suite -- --exact dns::peers::answers_are_those_of_other_servers --ignored --nocapture
