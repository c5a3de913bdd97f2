//! The formats, version 1, of the configuration and of policy tests: every key, said once.
//!
//! Data only. `config::table` holds a file against these lists (unknown keys, wrong types), the
//! readers beside it give the keys their meaning, and the reference of keys is printed from here.
//! Every duration is a string such as `"5s"` or `"1h30m"`; every path is relative to the file.

mod stories;

pub use stories::{ASKED, EXPECT, HAPPENS, TEST, TESTS};

use Takes::{
    Duration, Flag, Integer, Items, Params, Patches, Table, Tables, Text, TextOrTable, TextTable,
    Texts,
};

/// One key of one table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// Which values it takes.
    pub takes: Takes,
    /// What it means, its unit, range and default.
    pub about: &'static str,
}

/// Which values a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Text in quotes.
    Text,
    /// Text in quotes that is a duration.
    Duration,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Flag,
    /// A list of texts.
    Texts,
    /// A table of texts.
    TextTable,
    /// A table with keys of its own.
    Table,
    /// Tables, each written `[[KEY]]`.
    Tables,
    /// Parameters of a policy: texts, whole numbers, `true` and `false` by name.
    Params,
    /// Tables by the names of monitors.
    Patches,
    /// A list of texts or inline tables.
    Items,
    /// A list of inline tables.
    InlineTables,
    /// Text, or a table, by the kind of monitor.
    TextOrTable,
    /// Text, or a list of texts.
    TextOrTexts,
}

pub(super) const fn key(name: &'static str, takes: Takes, about: &'static str) -> Key {
    Key { name, takes, about }
}

/// The file.
pub const FILE: &[Key] = &[
    key("server", Table, "this node"),
    key(
        "witness",
        Table,
        "who must answer for this node to trust its own failures",
    ),
    key(
        "zone",
        Tables,
        "zones that are answered; none at all: one is made for each service",
    ),
    key(
        "target",
        Tables,
        "servers that may be answered and are probed",
    ),
    key(
        "monitor",
        Tables,
        "what to probe, how often, with which timeout",
    ),
    key(
        "service",
        Tables,
        "names under our control and the policy that decides for them",
    ),
];

/// `[server]`.
pub const SERVER: &[Key] = &[
    key(
        "name",
        Text,
        "this node's name and its vantage; default \"local\"",
    ),
    key(
        "dns",
        Texts,
        "where DNS is answered, UDP and TCP; default [\"127.0.0.1:5300\"]; port 0: any free one",
    ),
    key(
        "http",
        Text,
        "status, API and metrics; default \"127.0.0.1:8053\"; \"none\" switches it off",
    ),
    key(
        "data",
        Text,
        "folder of the journal and the control socket; default \"data\"",
    ),
    key(
        "policies",
        Text,
        "folder of the policies, watched; default \"policies\"",
    ),
    key(
        "resolvers",
        Texts,
        "who is asked what the hostnames of targets are: [\"127.0.0.1:53\"]; default those of /etc/resolv.conf",
    ),
    key(
        "identity",
        Text,
        "what id.server, hostname.bind and NSID are told; default the node's name; \"\" refuses",
    ),
    key(
        "version",
        Text,
        "what version.bind and version.server are told; default \"\", which refuses",
    ),
    key(
        "cookie_secrets",
        Texts,
        "secrets of DNS cookies, 32 hexadecimal digits each, 1 to 8: the first makes cookies, all are accepted; the same on every node of one address; default one made at the start",
    ),
    key(
        "rate_limit",
        Table,
        "how many answers one client network gets over UDP: { per_second = 1000, slip = 2 }",
    ),
    key(
        "udp_threads",
        Integer,
        "threads that answer over UDP, 1 to 256; default one per core",
    ),
    key(
        "tcp",
        Table,
        "what TCP connections may take: { connections = 20000, per_client = 500, idle = \"10s\" }",
    ),
];

/// `rate_limit` of `[server]`.
pub const RATE_LIMIT: &[Key] = &[
    key(
        "per_second",
        Integer,
        "answers per second to an IPv4 /24 or an IPv6 /56; 0 to 1000000, 0: no limit; default 1000",
    ),
    key(
        "slip",
        Integer,
        "every so manieth query above the limit is told to come back over TCP; 0 to 100, 0: none; default 2",
    ),
    key(
        "exempt",
        Texts,
        "networks without a limit; default [\"127.0.0.0/8\", \"::1/128\"]",
    ),
];

/// `tcp` of `[server]`.
pub const SERVER_TCP: &[Key] = &[
    key(
        "connections",
        Integer,
        "connections in all, 1 to 1000000; default 20000",
    ),
    key(
        "per_client",
        Integer,
        "connections of one client address, loopback excepted; 1 to 1000000; default 500",
    ),
    key(
        "idle",
        Duration,
        "a connection that asks nothing for so long is closed; 1s to 1h; default \"10s\"",
    ),
];

/// `[witness]`.
pub const WITNESS: &[Key] = &[
    key(
        "addresses",
        Texts,
        "asked by TCP (\"192.0.2.1:53\") or by ICMP (\"icmp:192.0.2.1\")",
    ),
    key(
        "need",
        Integer,
        "how many of them must answer; 1 to all of them; default 1",
    ),
];

/// `[[zone]]`: a `file` or `ns`.
pub const ZONE: &[Key] = &[
    key("name", Text, "the apex, such as \"example.com\""),
    key(
        "file",
        Text,
        "a zone file (RFC 1035 section 5) with the static records",
    ),
    key("ns", Texts, "the name servers of a zone that has no file"),
];

/// `[[target]]`.
pub const TARGET: &[Key] = &[
    key("name", Text, "unique; letters, digits, '-', '_' and '.'"),
    key(
        "addresses",
        Texts,
        "what DNS answers: 1 to 64 IPv4 or IPv6 addresses",
    ),
    key(
        "records",
        Texts,
        "answered beside the addresses and moved with them, as a zone file has them: [\"MX 10 mx2\", \"HTTPS 1 . alpn=h2\"]; relative names lie in the zone of the service's first name; never A, AAAA, CNAME, SOA, NS or DNSSEC",
    ),
    key(
        "cname",
        Text,
        "a hostname in the place of addresses: \"lb.example.net.\"; answered as a CNAME, at a zone's apex by what it is resolved to; probed there, unless there is a `probe_at`",
    ),
    key(
        "probe_at",
        Texts,
        "probed there instead; a port is optional: \"10.0.0.3:8443\"",
    ),
    key(
        "require",
        Text,
        "\"all\" addresses must answer (the default) or \"any\" of them",
    ),
    key(
        "labels",
        TextTable,
        "free words for policies: t.labels.rack",
    ),
    key(
        "drained",
        Flag,
        "true withdraws it from the answers; default false",
    ),
    key(
        "monitor",
        Patches,
        "this target's own settings of a monitor: monitor.https = { port = 8443 }",
    ),
];

/// `[target.monitor.NAME]`: a target's own settings of a monitor.
pub const PATCH: &[Key] = &[
    key(
        "port",
        Integer,
        "another port, 1 to 65535 (not for icmp and exec)",
    ),
    key("url", Text, "another URL (http only)"),
    key("interval", Duration, "another interval"),
    key("timeout", Duration, "another timeout"),
];

/// `[[monitor]]` of any kind; an inline monitor of a service has the same keys but `name`.
pub const MONITOR: &[Key] = &[
    key(
        "name",
        Text,
        "unique; an inline monitor is named after its kind",
    ),
    key(
        "kind",
        Text,
        "icmp, tcp, http, tls, dns or exec; default http where there is a `url`",
    ),
    key(
        "interval",
        Duration,
        "between the starts of two probes, 100ms to 1h; default \"5s\"",
    ),
    key(
        "timeout",
        Duration,
        "how long a probe may take, below the interval; default \"2s\"",
    ),
    key(
        "interval_suspect",
        Duration,
        "interval from a changed result until five equal ones in a row",
    ),
    key(
        "family",
        Text,
        "\"v4\" or \"v6\": probe only addresses of this IP version",
    ),
];

/// `[[monitor]]` with `kind = "icmp"`.
pub const ICMP: &[Key] = &[key(
    "count",
    Integer,
    "echo requests per probe, one answer is enough; 1 to 10; default 1",
)];

/// `[[monitor]]` with `kind = "tcp"`.
pub const TCP: &[Key] = &[
    key("port", Integer, "where to connect, 1 to 65535; needed"),
    key("send", Text, "sent once connected"),
    key(
        "expect",
        TextOrTable,
        "a text that the reply must contain, within its first 64 KiB",
    ),
];

/// `[[monitor]]` with `kind = "http"`.
pub const HTTP: &[Key] = &[
    key(
        "url",
        Text,
        "its host is the Host header and the SNI, never looked up; needed",
    ),
    key("method", Text, "default \"GET\""),
    key("headers", TextTable, "headers to send"),
    key(
        "follow",
        Flag,
        "follow redirects, at the same address, at most five; default false",
    ),
    key("verify", Flag, "verify the certificate; default true"),
    key(
        "ca",
        Text,
        "a PEM file of authorities to trust instead of the system's",
    ),
    key(
        "expect",
        TextOrTable,
        "what makes an answer good: { status = \"200-299\", body = \"ok\" }",
    ),
];

/// `expect` of an http monitor.
pub const HTTP_EXPECT: &[Key] = &[
    key(
        "status",
        Text,
        "accepted status codes: \"200-299\" (the default) or \"200,204\"",
    ),
    key(
        "body",
        Text,
        "a text that the body must contain, within its first 64 KiB",
    ),
    key(
        "body_regex",
        Text,
        "a regular expression that the body must match, within its first 64 KiB",
    ),
];

/// `[[monitor]]` with `kind = "tls"`.
pub const TLS: &[Key] = &[
    key("port", Integer, "where to connect, 1 to 65535; needed"),
    key("sni", Text, "the name to ask for and to verify; needed"),
    key("verify", Flag, "verify the certificate; default true"),
    key(
        "ca",
        Text,
        "a PEM file of authorities to trust instead of the system's",
    ),
];

/// `[[monitor]]` with `kind = "dns"`.
pub const DNS: &[Key] = &[
    key("port", Integer, "where to ask, 1 to 65535; default 53"),
    key(
        "question",
        Text,
        "a name and a type, A where there is none: \"www.example.com A\"; asked at the target; needed",
    ),
    key(
        "expect",
        TextOrTable,
        "what makes an answer good: { rcode = \"NOERROR\", answer = \"192.0.2.1\" }",
    ),
];

/// `expect` of a dns monitor.
pub const DNS_EXPECT: &[Key] = &[
    key(
        "rcode",
        Text,
        "the response code: NOERROR (the default), FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED or NOTAUTH",
    ),
    key(
        "answer",
        Text,
        "what one of the answers must hold: \"192.0.2.10\", \"10 mx.example.com.\"; of type A, AAAA, CNAME, MX, NS, PTR, SRV or TXT",
    ),
];

/// `[[monitor]]` with `kind = "exec"`.
pub const EXEC: &[Key] = &[key(
    "command",
    Texts,
    "a program (a path from this file's folder, or a name in PATH) and its arguments; {address} is replaced; exit 0 and 1 good, 2 bad, 3 no result; the first number behind | in its output is the target's `value`, decimals cut off",
)];

/// `[[service]]`.
pub const SERVICE: &[Key] = &[
    key("name", Text, "unique; letters, digits, '-', '_' and '.'"),
    key(
        "names",
        Texts,
        "domain names whose A and AAAA records it owns, 1 to 100; \"*.example.com\" is every name below that has no records of its own",
    ),
    key(
        "targets",
        Texts,
        "in order of preference: the first is the primary; 1 to 64",
    ),
    key(
        "monitors",
        Items,
        "names of monitors, or inline ones: [{ url = \"https://www.example.com/\" }]",
    ),
    key(
        "policy",
        Text,
        "a file in the folder of policies; default \"failover.rhai\"",
    ),
    key(
        "params",
        Params,
        "constants of the policy to override: { FALL = 5, FAILBACK = \"10m\" }",
    ),
    key(
        "ttl",
        Duration,
        "of its answers unless the policy says otherwise, whole seconds, 1s to 1d; default \"30s\"",
    ),
    key(
        "history",
        Duration,
        "how long results are kept for windows at the least, 1s to 1d; default \"10m\"",
    ),
    key(
        "max_switches",
        Text,
        "how often the answer may change; default \"6/10m\"; \"none\" or \"unlimited\": no limit",
    ),
    key(
        "on_fault",
        Text,
        "\"fallback\" (the default) asks an older policy when this one fails; \"hold\" changes nothing",
    ),
    key(
        "rto",
        Duration,
        "the longest failover that is acceptable: `check` fails where it takes longer; 1ms to 1d",
    ),
    key(
        "reload",
        Text,
        "\"apply\" (the default) or \"ask\": whether a reload that moves traffic waits for an operator",
    ),
    key(
        "shadow",
        Text,
        "a second policy that decides beside the first and never acts; `promote` puts it in force",
    ),
];

/// Every table of the configuration by its heading, in the order of a reference.
pub const TABLES: &[(&str, &[Key])] = &[
    ("[server]", SERVER),
    ("[server.rate_limit]", RATE_LIMIT),
    ("[server.tcp]", SERVER_TCP),
    ("[witness]", WITNESS),
    ("[[zone]]", ZONE),
    ("[[target]]", TARGET),
    ("[target.monitor.NAME]", PATCH),
    ("[[monitor]]", MONITOR),
    ("[[monitor]] kind = \"icmp\"", ICMP),
    ("[[monitor]] kind = \"tcp\"", TCP),
    ("[[monitor]] kind = \"http\"", HTTP),
    ("[monitor.expect] of http", HTTP_EXPECT),
    ("[[monitor]] kind = \"tls\"", TLS),
    ("[[monitor]] kind = \"dns\"", DNS),
    ("[monitor.expect] of dns", DNS_EXPECT),
    ("[[monitor]] kind = \"exec\"", EXEC),
    ("[[service]]", SERVICE),
];
