#!/usr/bin/env bash
# A thousand times kill -9 at a random moment under load: no acknowledged order or published answer is lost,
# nothing panics, no query is unanswered. CYCLES=… for another number.
set -euo pipefail
cd "$(dirname "$0")/../.."
SIDESTEP_KILL_CYCLES=${CYCLES:-1000} cargo test --test suite -- --exact --nocapture daemon::kill::nothing_acknowledged_is_lost_to_kill_9
