#!/usr/bin/env bash
# What must hold under load, in a minute: no query lost while files are loaded, no old answer after a new one,
# honest clients served beside idle connections. Only what a slow machine is no excuse for fails the run; figures
# are for a quiet machine: cargo bench --bench dns
#
# Needs util-linux and a release build; what overload does is left out where no control group can be made.
set -euo pipefail
cd "$(dirname "$0")/../.."
SIDESTEP=$(realpath "${SIDESTEP:-target/release/sidestep}")
export SIDESTEP
# The crowd is that of one process.
ulimit -Sn "$(ulimit -Hn)"
# The development profile, which the tests were built with: at this rate the generator has time.
exec cargo bench --profile dev --bench dns -- switches reloads idle overload \
    --rounds 1 --seconds 1 --reloads 60 --idle 1000 --rate 2000 --port "${PORT:-21600}" --strict facts
