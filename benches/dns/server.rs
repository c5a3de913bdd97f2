//! The servers that are compared, each with the same names, on core 0, with one thread for UDP.
//!
//! Their configuration is made in a temporary folder, they run as the current user, and they end
//! when they are dropped.

use super::{
    data::{Data, ZONE, cited, zone_text},
    question::{A, Seen, Wire, question},
    report::fact,
};
use std::{
    fmt::{self, Write as _},
    fs,
    fs::File,
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Where the servers are pinned; the load generator takes the other core.
const CORE: &str = "0";
/// How long a server may take to start.
const START_WITHIN: Duration = Duration::from_secs(300);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Sends back what comes, with an answer's length: what the kernel alone costs.
    Floor,
    Sidestep,
    Gdnsd,
    Knot,
    Nsd,
    Pdns,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] = [
        Self::Floor,
        Self::Sidestep,
        Self::Gdnsd,
        Self::Knot,
        Self::Nsd,
        Self::Pdns,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Sidestep => "sidestep",
            Self::Gdnsd => "gdnsd",
            Self::Knot => "knot",
            Self::Nsd => "nsd",
            Self::Pdns => "pdns",
        }
    }

    /// Its program, where this machine has it.
    pub(crate) fn program(self) -> Option<PathBuf> {
        let name = match self {
            Self::Floor => return std::env::current_exe().ok(),
            Self::Sidestep => {
                let other = std::env::var_os("SIDESTEP").map(PathBuf::from);
                return Some(other.unwrap_or_else(|| env!("CARGO_BIN_EXE_sidestep").into()));
            }
            Self::Gdnsd => "gdnsd",
            Self::Knot => "knotd",
            Self::Nsd => "nsd",
            Self::Pdns => "pdns_server",
        };
        ["/usr/sbin", "/usr/local/sbin", "/usr/bin"]
            .iter()
            .map(|folder| Path::new(folder).join(name))
            .find(|path| path.exists())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A server that answers.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    /// Its configuration and what it writes.
    pub(crate) folder: PathBuf,
    /// From its start to its first right answer.
    pub(crate) started: Duration,
    child: Child,
}

impl Server {
    /// Starts it with some data and waits for its answer; what is wrong where none comes.
    pub(crate) fn start(kind: Kind, data: &Data, folder: &Path, port: u16) -> Result<Self, String> {
        let program = kind.program().ok_or("not installed")?;
        let folder = folder.join(format!("{kind}-{port}"));
        fs::create_dir_all(&folder).expect("a folder");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let arguments = configure(kind, data, &folder, address);
        Self::spawn(kind, &program, &arguments, folder, address, data)
    }

    fn spawn(
        kind: Kind,
        program: &Path,
        arguments: &[String],
        folder: PathBuf,
        address: SocketAddr,
        data: &Data,
    ) -> Result<Self, String> {
        let log = File::create(folder.join("log")).expect("a log");
        let began = Instant::now();
        let child = Command::new("taskset")
            .args(["--cpu-list", CORE])
            .arg(program)
            .args(arguments)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("taskset, of util-linux");
        let mut server = Self {
            kind,
            address,
            folder,
            started: Duration::ZERO,
            child,
        };
        // The names were written in order: the last one is there when all are.
        let names = [data.last_name(), "www".to_owned()];
        for name in names {
            while !answers(address, &format!("{name}.{ZONE}")) {
                server.assert_alive()?;
                if began.elapsed() > START_WITHIN {
                    return Err(format!("no answer within {} s", START_WITHIN.as_secs()));
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        server.started = began.elapsed();
        Ok(server)
    }

    fn assert_alive(&mut self) -> Result<(), String> {
        let Some(ended) = self.child.try_wait().expect("a child") else {
            return Ok(());
        };
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let said: Vec<&str> = log.lines().take(5).collect();
        Err(format!("it ended ({ended}): {}", said.join("; ")))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ours alone, for what is measured of it only; `None`, and a limit missed, where it fails.
    pub(crate) fn ours(data: &Data, folder: &Path, port: u16) -> Option<Self> {
        match Self::start(Kind::Sidestep, data, folder, port) {
            Ok(server) => Some(server),
            Err(why) => {
                fact("sidestep starts", false, why);
                None
            }
        }
    }

    /// Gives it another version of its zone.
    pub(crate) fn renew(&self, data: &Data, serial: u32) {
        if let Some(path) = zone_path(self.kind, &self.folder) {
            zone_text(self.kind, data, serial, &path);
        }
    }

    /// Has it read its files again.
    pub(crate) fn reload(&self) -> io::Result<()> {
        let hang_up = || {
            let pid = nix::unistd::Pid::from_raw(self.pid().cast_signed());
            Ok(nix::sys::signal::kill(
                pid,
                nix::sys::signal::Signal::SIGHUP,
            )?)
        };
        match self.kind {
            Kind::Floor | Kind::Pdns => Ok(()),
            Kind::Sidestep | Kind::Knot | Kind::Nsd => hang_up(),
            Kind::Gdnsd => {
                // Its SIGHUP is not for that.
                let mut control = Command::new("gdnsdctl");
                control.args(["-c", "etc", "reload-zones"]);
                let control = control.current_dir(&self.folder).stdout(Stdio::null());
                control.stderr(Stdio::null()).spawn().map(drop)
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // NSD and Knot stop their children and remove their sockets when asked.
        let pid = nix::unistd::Pid::from_raw(self.pid().cast_signed());
        let asked = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let began = Instant::now();
        while asked.is_ok() && began.elapsed() < Duration::from_secs(10) {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a name has an answer by now.
pub(crate) fn answers(server: SocketAddr, name: &str) -> bool {
    ask(
        server,
        &question(name, A, Wire::Plain),
        Duration::from_millis(100),
    )
    .and_then(|reply| Seen::of(&reply))
    .is_some_and(|seen| seen.rcode == 0 && seen.answers > 0)
}

/// One question, one answer.
pub(crate) fn ask(server: SocketAddr, question: &[u8], within: Duration) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    socket.connect(server).expect("a server");
    socket.set_read_timeout(Some(within)).expect("a limit");
    socket.send(question).ok()?;
    let mut octets = [0; 1_500];
    let length = socket.recv(&mut octets).ok()?;
    Some(octets[..length].to_vec())
}

/// Where it finds its zone, if it has one.
fn zone_path(kind: Kind, folder: &Path) -> Option<PathBuf> {
    match kind {
        Kind::Floor => None,
        Kind::Gdnsd => Some(folder.join("etc/zones").join(ZONE)),
        _ => Some(folder.join(format!("{ZONE}.zone"))),
    }
}

/// Writes its files; the arguments it is started with.
fn configure(kind: Kind, data: &Data, folder: &Path, address: SocketAddr) -> Vec<String> {
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("a file");
    if kind == Kind::Gdnsd {
        for name in ["etc/zones", "run", "state"] {
            fs::create_dir_all(folder.join(name)).expect("a folder");
        }
    }
    if let Some(path) = zone_path(kind, folder) {
        zone_text(kind, data, 1, &path);
    }
    let port = address.port();
    let words = |text: &str| text.split(' ').map(str::to_owned).collect();
    match kind {
        Kind::Floor => vec!["echo".into(), address.to_string()],
        Kind::Sidestep => {
            write("sidestep.toml", &data.sidestep(address));
            words("serve sidestep.toml")
        }
        Kind::Gdnsd => {
            write("etc/config", &gdnsd(folder, address, data));
            words("-c etc start")
        }
        Kind::Knot => {
            write("knot.conf", &knot(folder, address));
            words("--config knot.conf")
        }
        Kind::Nsd => {
            write("nsd.conf", &nsd(folder, port));
            words("-d -c nsd.conf")
        }
        Kind::Pdns => {
            write("pdns.conf", &pdns(folder, port));
            write(
                "named.conf",
                &format!("zone \"{ZONE}\" {{ type master; file \"{ZONE}.zone\"; }};\n"),
            );
            words("--config-dir=.")
        }
    }
}

/// One thread for UDP. The service's only address is watched as in the others that can.
fn gdnsd(folder: &Path, address: SocketAddr, data: &Data) -> String {
    format!(
        "options => {{ listen => [\"{address}\"], udp_threads => 1, tcp_threads => 1,\n\
         run_dir => {run}, state_dir => {state} }}\n\
         service_types => {{ probe => {{ plugin => tcp_connect, port => {watched}, interval => 8, timeout => 3 }} }}\n\
         plugins => {{ multifo => {{ www => {{ service_types => probe, a => 127.0.0.1 }} }} }}\n",
        run = cited(&folder.join("run")),
        state = cited(&folder.join("state")),
        watched = data.watched_port,
    )
}

/// With the module that answers cookies, which it lacks otherwise.
fn knot(folder: &Path, address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    let folder = cited(folder);
    format!(
        "server:\n  listen: {ip}@{port}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n  \
         rundir: {folder}\n\
         log:\n  - target: stderr\n    any: warning\n\
         database:\n  storage: {folder}\n\
         template:\n  - id: default\n    storage: {folder}\n    file: {ZONE}.zone\n    \
         zonefile-sync: -1\n    journal-content: none\n    global-module: mod-cookies\n\
         zone:\n  - domain: {ZONE}\n"
    )
}

/// `minimal-responses`, since the others leave out what nobody asked for; Debian builds it with a
/// limit of 200 answers a second to one client.
fn nsd(folder: &Path, port: u16) -> String {
    let mut text = format!(
        "server:\n  ip-address: 127.0.0.1\n  port: {port}\n  server-count: 1\n  minimal-responses: yes\n  \
         answer-cookie: yes\n  rrl-ratelimit: 0\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{folder}\"\n  database: \"\"\n",
        folder = folder.display()
    );
    for (key, name) in [
        ("pidfile", "nsd.pid"),
        ("zonelistfile", "zone.list"),
        ("xfrdfile", "xfrd.state"),
        ("cookie-secret-file", "cookie.secrets"),
    ] {
        let _ = writeln!(text, "  {key}: \"{}\"", folder.join(name).display());
    }
    let _ = write!(
        text,
        "  xfrdir: \"{}\"\nremote-control:\n  control-enable: no\nzone:\n  name: {ZONE}\n  zonefile: {ZONE}.zone\n",
        folder.display()
    );
    text
}

/// Threads: one that receives, and which looks up by itself. No news from outside.
fn pdns(folder: &Path, port: u16) -> String {
    format!(
        "launch=bind\nbind-config={folder}/named.conf\nenable-lua-records=yes\nlocal-address=127.0.0.1\n\
         local-port={port}\nreceiver-threads=1\ndistributor-threads=1\nsocket-dir={folder}\n\
         daemon=no\nguardian=no\nsetuid=\nsetgid=\nsecurity-poll-suffix=\nloglevel=3\n\
         edns-cookie-secret=00112233445566778899aabbccddeeff\n",
        folder = folder.display()
    )
}
