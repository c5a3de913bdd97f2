//! The format, version 1, of policy tests: every key, said once.
//!
//! Data only, as the keys of the configuration are.

use super::{
    Key,
    Takes::{Duration, Flag, InlineTables, Params, Table, Tables, Text, TextOrTexts, TextTable},
    key,
};

/// A file of tests of a policy.
pub const TESTS: &[Key] = &[key("test", Tables, "a story and what is served in it")];

/// `[[test]]` of a policy's tests; every other key is a row: `primary`, `primary@ns2`,
/// `primary[2]/https@ns2`. `require`, `happens`, `recording` and `service` came later: where
/// their value is a row's they are rows, as they were.
pub const TEST: &[Key] = &[
    key("name", Text, "unique; what the policy does, in a sentence"),
    key(
        "interval",
        Duration,
        "of the monitor, and the length of one character of a row; 100ms to 1h; needed",
    ),
    key(
        "timeout",
        Duration,
        "of the monitor, below the interval; default \"2s\", or just below a shorter interval",
    ),
    key(
        "ttl",
        Duration,
        "of the service, whole seconds; default \"30s\"",
    ),
    key(
        "max_switches",
        Text,
        "of the service; default \"6/10m\"; \"none\" or \"unlimited\": no limit",
    ),
    key("params", Params, "constants of the policy to override"),
    key(
        "freshness",
        TextTable,
        "of targets' copies, throughout: { backup = \"stale\" }; fresh, stale or unknown",
    ),
    key(
        "asked",
        InlineTables,
        "what an operator asks for: [{ at = \"400s\", what = \"failback\" }]",
    ),
    key(
        "require",
        TextTable,
        "of targets with several addresses: { primary = \"any\" }; any or all, the default",
    ),
    key(
        "happens",
        InlineTables,
        "whatever is no result: [{ at = \"10s\", drain = \"backup\", for = \"2h\" }]",
    ),
    key(
        "recording",
        Text,
        "a recording instead of rows; a path from this file's folder",
    ),
    key(
        "service",
        Text,
        "which service of the recording; needed where it has several",
    ),
    key(
        "expect",
        InlineTables,
        "what is served: [{ at = \"8s\", serve = \"backup\" }], in the order of time; needed",
    ),
];

/// When, of whatever has a time in a `[[test]]`.
const AT: Key = key(
    "at",
    Duration,
    "from the begin of the test, after the results of that instant; needed",
);

/// An item of `expect` of a `[[test]]`.
pub const EXPECT: &[Key] = &[
    AT,
    key(
        "serve",
        TextOrTexts,
        "the target, or the list of targets, that is served; needed",
    ),
    key("reason", Text, "a part of the reason"),
    key("ttl", Duration, "the TTL of the answer"),
    key("guard", Text, "the rail that holds, or \"none\""),
    key("alert", Text, "a part of the alert"),
];

/// An item of `happens` of a `[[test]]`; `at` and one other, some with `for` or `age`.
pub const HAPPENS: &[Key] = &[
    AT,
    key("switch", Text, "an operator switches to this target"),
    key("hold", Flag, "an operator holds what is served"),
    key("release", Flag, "an operator ends the override"),
    key("failback", Flag, "an operator asks the policy to return"),
    key("drain", Text, "an operator drains this target"),
    key("undrain", Text, "an operator takes the drain back"),
    key("freeze", Flag, "an operator freezes everything"),
    key("thaw", Flag, "an operator ends the freeze"),
    key(
        "for",
        Duration,
        "how long a switch, hold, drain or freeze stands; without it until it is taken back",
    ),
    key(
        "witnesses",
        Text,
        "\"silent\" or \"answer\" from now on; they answer at first",
    ),
    key(
        "freshness",
        TextTable,
        "of targets' copies from now on: { backup = \"stale\" }",
    ),
    key(
        "age",
        Duration,
        "how far behind these copies are, or \"unknown\"; default \"1d\" for stale, \"0s\" for fresh",
    ),
    key(
        "drift",
        Table,
        "differences of targets' copies from now on: { backup = 3 }",
    ),
    key("clock", Text, "the wall clock jumps: \"+1h\" or \"-5m\""),
];

/// An item of `asked` of a `[[test]]`.
pub const ASKED: &[Key] = &[AT, key("what", Text, "\"failback\"; needed")];
