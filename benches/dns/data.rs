//! What the servers answer: one zone, a service in it, and as many other names as wanted.

use super::{question::name_of, server::Kind};
use std::{
    fmt::Write as _,
    fs::File,
    io::{BufWriter, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

/// The only zone.
pub(crate) const ZONE: &str = "example.com";

/// A set of records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Data {
    /// Names beside the few that are always there.
    pub(crate) names: u32,
    /// Where a TCP probe of `www` finds somebody.
    pub(crate) watched_port: u16,
    /// Targets that the service can be switched between: their addresses tell them apart.
    pub(crate) targets: u32,
}

impl Data {
    /// The name that is loaded last.
    pub(crate) fn last_name(&self) -> String {
        match self.names {
            0 => "static".to_owned(),
            names => name_of(names - 1),
        }
    }

    /// Our configuration. All targets are probed at the same address, so all of them are good.
    pub(crate) fn sidestep(&self, dns: SocketAddr) -> String {
        let mut text = format!(
            "[server]\nname = \"ns1\"\ndns = [\"{dns}\"]\nhttp = \"none\"\n{KEYS}\n\
             [[zone]]\nname = \"{ZONE}\"\nfile = \"{ZONE}.zone\"\n\
             [[monitor]]\nname = \"tcp\"\nkind = \"tcp\"\nport = {}\ninterval = \"{}\"\ntimeout = \"3s\"\n",
            self.watched_port,
            if self.targets > 2 { "5m" } else { "8s" }
        );
        let mut names = Vec::new();
        for number in 0..self.targets {
            let [_, _, high, low] = number.to_be_bytes();
            let addresses = format!("\"10.0.{high}.{low}\", \"fd00::{number:x}\"");
            let _ = write!(
                text,
                "[[target]]\nname = \"t{number}\"\naddresses = [{addresses}]\nprobe_at = [\"127.0.0.1\"]\n"
            );
            names.push(format!("\"t{number}\""));
        }
        let _ = write!(
            text,
            "[[service]]\nname = \"www\"\nnames = [\"www.{ZONE}\"]\ntargets = [{}]\nmonitors = [\"tcp\"]\n",
            names.join(", ")
        );
        text
    }
}

/// Keys of `[server]` that hold a server to what the others have.
const KEYS: &str = "udp_threads = 1";

/// Writes the zone file as a server wants it.
pub(crate) fn zone_text(kind: Kind, data: &Data, serial: u32, path: &Path) {
    let file = File::create(path).expect("a zone file");
    let mut out = BufWriter::new(file);
    let www = match kind {
        Kind::Gdnsd => "www 30 DYNA multifo!www\n".to_owned(),
        Kind::Pdns => format!(
            "www 30 IN LUA A \"ifportup({}, {{'127.0.0.1'}})\"\n",
            data.watched_port
        ),
        // Ours comes from the configuration, the others have nothing that moves.
        Kind::Sidestep => String::new(),
        Kind::Floor | Kind::Knot | Kind::Nsd => "www 30 A 127.0.0.1\n".to_owned(),
    };
    let mut written = write!(
        out,
        "$TTL 300\n$ORIGIN {ZONE}.\n@ SOA ns1 host {serial} 7200 1800 259200 300\n@ NS ns1\n@ NS ns2\n\
         ns1 A 127.0.0.1\nns2 A 127.0.0.1\n{www}static A 192.0.2.1\n"
    );
    for number in 0..data.names {
        let address = Ipv4Addr::from(0x0a00_0000 + number);
        written = written.and_then(|()| writeln!(out, "{} A {address}", name_of(number)));
    }
    written.and_then(|()| out.flush()).expect("a zone file");
}

/// A path as text in quotes.
pub(crate) fn cited(path: &Path) -> String {
    format!("\"{}\"", path.display())
}
