//! Four servers with the same zones: this one, Knot, NSD and BIND, each in a folder of its own.
//!
//! They are set up to be as comparable as they can be: the same sizes, no NS records that nobody
//! asked for, no rate limits, no checks that would refuse a zone which the others take.

use super::{
    super::random::{Labels, World},
    exchange,
    wire::{Asking, Reply},
};
use std::{
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// In the order in which they are told of. The first is the one under test.
pub(super) const NAMES: [&str; 4] = ["sidestep", "knot", "nsd", "bind"];
/// The secret of all servers' cookies (RFC 9018).
const COOKIE_SECRET: &str = "000102030405060708090a0b0c0d0e0f";
const START_WITHIN: Duration = Duration::from_secs(120);

/// A server that runs, until it is dropped.
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    child: Child,
    log: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// The end of what it wrote.
    fn words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Waits until it answers from every zone.
    fn wait(&mut self, worlds: &[World]) {
        let until = Instant::now() + START_WITHIN;
        for zone in worlds.iter().flat_map(|world| &world.zones) {
            let asking = Asking::of(&zone.apex, 6).octets();
            loop {
                let ended = self.child.try_wait().unwrap();
                assert!(ended.is_none(), "{} ended: {}", self.name, self.words());
                let wait = Duration::from_millis(200);
                let reply = exchange::one_over_udp(self.address, &asking, wait);
                let reply = reply.and_then(|octets| Reply::read(&octets).ok());
                if reply.is_some_and(|reply| reply.rcode == 0 && !reply.answer.is_empty()) {
                    break;
                }
                let (name, apex) = (self.name, &zone.apex);
                assert!(Instant::now() < until, "{name}, {apex}: {}", self.words());
            }
        }
    }
}

/// Starts all four and waits until they answer.
pub(super) fn start(folder: &Path, worlds: &[World]) -> Vec<Server> {
    let mut servers: Vec<Server> = NAMES
        .into_iter()
        .map(|name| {
            let folder = folder.join(name);
            fs::create_dir_all(&folder).unwrap();
            let address = free_address();
            let zones = zones(&folder, worlds, name != NAMES[0]);
            let mut command = match name {
                "knot" => knot(&folder, address, &zones),
                "nsd" => nsd(&folder, address, &zones),
                "bind" => bind(&folder, address, &zones),
                _ => sidestep(&folder, address, worlds, &zones),
            };
            let log = folder.join("log");
            let out = fs::File::create(&log).unwrap();
            let errors = out.try_clone().unwrap();
            let child = command
                .current_dir(&folder)
                .stdin(Stdio::null())
                .stdout(out)
                .stderr(errors)
                .spawn()
                .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
            Server {
                name,
                address,
                child,
                log,
            }
        })
        .collect();
    for server in &mut servers {
        server.wait(worlds);
    }
    servers
}

/// A loopback port that UDP and TCP both have free.
fn free_address() -> SocketAddr {
    loop {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = udp.local_addr().unwrap();
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Writes the zone files: apex and file of each.
fn zones(folder: &Path, worlds: &[World], with_services: bool) -> Vec<(String, PathBuf)> {
    let mut zones = Vec::new();
    for world in worlds {
        for zone in &world.zones {
            let apex = text(&zone.apex);
            let file = folder.join(format!("{apex}.zone"));
            fs::write(&file, world.zone_text(zone, with_services)).unwrap();
            zones.push((apex, file));
        }
    }
    zones
}

/// A name as configurations have it.
fn text(name: &Labels) -> String {
    name.to_string().trim_end_matches('.').to_owned()
}

/// A program of the system, whose folder is in few users' paths.
fn program(name: &str) -> Command {
    let in_sbin = Path::new("/usr/sbin").join(name);
    let mut command = Command::new(if in_sbin.exists() {
        in_sbin
    } else {
        name.into()
    });
    command.env_remove("RUST_BACKTRACE");
    command
}

fn knot(folder: &Path, address: SocketAddr, zones: &[(String, PathBuf)]) -> Command {
    let (ip, port, path) = (address.ip(), address.port(), folder.display());
    let mut text = format!(
        "
server:
    rundir: \"{path}\"
    listen: {ip}@{port}
    identity: \"ns1\"
    version: \"1\"
    nsid: \"ns1\"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    udp-max-payload: 1232
log:
  - target: stderr
    any: warning
database:
    storage: \"{path}\"
mod-cookies:
  - id: default
    secret: 0x{COOKIE_SECRET}
template:
  - id: default
    storage: \"{path}\"
    semantic-checks: off
    zonefile-sync: -1
    journal-content: none
    global-module: mod-cookies/default
zone:
"
    );
    for (apex, file) in zones {
        let file = file.display();
        writeln!(text, "  - domain: \"{apex}.\"\n    file: \"{file}\"").unwrap();
    }
    let file = folder.join("knot.conf");
    fs::write(&file, text).unwrap();
    let mut command = program("knotd");
    command.arg("-c").arg(file);
    command
}

fn nsd(folder: &Path, address: SocketAddr, zones: &[(String, PathBuf)]) -> Command {
    let (ip, port, path) = (address.ip(), address.port(), folder.display());
    let mut text = format!(
        "
server:
    ip-address: {ip}@{port}
    do-ip6: no
    username: \"\"
    chroot: \"\"
    zonesdir: \"{path}\"
    database: \"\"
    pidfile: \"{path}/nsd.pid\"
    xfrdfile: \"{path}/xfrd.state\"
    zonelistfile: \"{path}/zone.list\"
    xfrdir: \"{path}\"
    server-count: 1
    identity: \"ns1\"
    version: \"1\"
    nsid: \"ascii_ns1\"
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
    minimal-responses: yes
    ipv4-edns-size: 1232
    answer-cookie: yes
    cookie-secret: {COOKIE_SECRET}
remote-control:
    control-enable: no
"
    );
    for (apex, file) in zones {
        let file = file.display();
        writeln!(
            text,
            "zone:\n    name: \"{apex}\"\n    zonefile: \"{file}\""
        )
        .unwrap();
    }
    let file = folder.join("nsd.conf");
    fs::write(&file, text).unwrap();
    let mut command = program("nsd");
    command.arg("-d").arg("-c").arg(file);
    command
}

fn bind(folder: &Path, address: SocketAddr, zones: &[(String, PathBuf)]) -> Command {
    let (ip, port, path) = (address.ip(), address.port(), folder.display());
    let mut text = format!(
        "
options {{
    directory \"{path}\";
    pid-file none;
    lock-file none;
    session-keyfile none;
    managed-keys-directory \"{path}\";
    listen-on port {port} {{ {ip}; }};
    listen-on-v6 {{ none; }};
    recursion no;
    allow-query {{ any; }};
    allow-transfer {{ none; }};
    notify no;
    dnssec-validation no;
    empty-zones-enable no;
    minimal-responses no-auth;
    minimal-any yes;
    max-udp-size 1232;
    edns-udp-size 1232;
    nocookie-udp-size 1232;
    zero-no-soa-ttl no;
    version \"1\";
    hostname \"ns1\";
    server-id \"ns1\";
    answer-cookie yes;
    cookie-secret \"{COOKIE_SECRET}\";
    check-names primary ignore;
    check-integrity no;
    check-sibling no;
    check-wildcard no;
    check-mx ignore;
    check-mx-cname ignore;
    check-srv-cname ignore;
    check-dup-records ignore;
}};
controls {{ }};
"
    );
    for (apex, file) in zones {
        let file = file.display();
        writeln!(
            text,
            "zone \"{apex}\" {{ type primary; file \"{file}\"; }};"
        )
        .unwrap();
    }
    let file = folder.join("named.conf");
    fs::write(&file, text).unwrap();
    let mut command = program("named");
    command.args(["-g", "-n", "1", "-c"]).arg(file);
    command
}

fn sidestep(
    folder: &Path,
    address: SocketAddr,
    worlds: &[World],
    zones: &[(String, PathBuf)],
) -> Command {
    let mut text = format!(
        "[server]\nname = \"ns1\"\nversion = \"1\"\ndns = [\"{address}\"]\nhttp = \"none\"\n\
         cookie_secrets = [\"{COOKIE_SECRET}\"]\n"
    );
    for (apex, file) in zones {
        let file = file.display();
        writeln!(text, "[[zone]]\nname = \"{apex}\"\nfile = \"{file}\"").unwrap();
    }
    // Every target is well: it is this server that is probed.
    writeln!(
        text,
        "[[monitor]]\nname = \"tcp\"\nkind = \"tcp\"\nport = {}\ninterval = \"1h\"",
        address.port()
    )
    .unwrap();
    for (number, world) in worlds.iter().enumerate() {
        for service in &world.services {
            text += &service.toml(&format!("w{number}-{}", service.name));
        }
    }
    let file = folder.join("sidestep.toml");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidestep"));
    command.arg("serve").arg(file);
    command
}
