//! The control socket: who may use it, what is taken over it, and what becomes of its file.

use super::http::{Fake, Running, check, post};
use sidestep::{
    control::{Client, OrderRequest, Verb, bind_socket, socket_path},
    failover::{Command, input::OperatorCommand, orders::Force},
    model::Timestamp,
};
use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::Shutdown,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::UnixListener,
        process::CommandExt as _,
    },
    path::Path,
    process::Command as Process,
    thread,
};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_socket_is_its_owners_alone_and_goes_with_its_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("var/data");
    let socket = bind_socket(&data).unwrap();
    assert_eq!(socket.path(), socket_path(&data));
    assert!(fs::metadata(socket.path()).unwrap().file_type().is_socket());
    assert_eq!(mode(socket.path()), 0o600);
    assert_eq!(mode(&data), 0o700);
    let path = socket.path().to_owned();
    drop(socket);
    assert!(!path.exists());
}

#[test]
fn a_dead_daemons_socket_is_replaced_and_a_living_ones_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = socket_path(folder.path());
    // Dropping a plain listener leaves its file, as a killed daemon does.
    drop(UnixListener::bind(&path).unwrap());
    let first = bind_socket(folder.path()).unwrap();
    let error = bind_socket(folder.path()).unwrap_err();
    assert!(
        error.starts_with(&format!("another sidestep answers at {}", path.display())),
        "{error}"
    );

    // Another daemon's file is not removed with ours.
    fs::remove_file(&path).unwrap();
    let second = bind_socket(folder.path()).unwrap();
    drop(first);
    assert!(path.exists());
    drop(second);
    assert!(!path.exists());
}

#[test]
fn what_is_in_the_way_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = socket_path(folder.path());
    fs::write(&path, "precious").unwrap();
    let error = bind_socket(folder.path()).unwrap_err();
    assert!(error.contains("is in the way and is no socket"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");

    let error = bind_socket(&path).unwrap_err();
    assert!(error.contains("cannot make the data folder"), "{error}");

    let deep = folder.path().join("d".repeat(100));
    let error = bind_socket(&deep).unwrap_err();
    assert!(error.contains("longer than 107 bytes"), "{error}");
    assert!(!deep.exists());
    let client = Client::of_socket(&socket_path(&deep)).status();
    assert!(client.unwrap_err().contains("no daemon answers at"));
}

#[test]
fn the_longest_path_works() {
    let folder = tempfile::tempdir().unwrap();
    let used = folder.path().as_os_str().len() + "//control.sock".len();
    let data = folder.path().join("d".repeat(107 - used));
    let socket = bind_socket(&data).unwrap();
    assert_eq!(socket.path().as_os_str().len(), 107);
    let longer = folder.path().join("d".repeat(108 - used));
    assert!(bind_socket(&longer).is_err());
}

/// Who the kernel says this test is, as the log names them: by the system's own tools.
fn me() -> String {
    let said = |flag: &str| {
        let out = Process::new("id").arg(flag).output().unwrap();
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    };
    let named = Process::new("id").arg("-un").output().unwrap();
    if named.status.success() {
        format!("{} (uid {})", said("-un"), said("-u"))
    } else {
        format!("uid {}", said("-u"))
    }
}

#[test]
fn who_orders_is_what_the_kernel_says() {
    let server = Running::start(Fake::new());
    let client = Client::of_socket(&server.socket);
    let request = OrderRequest {
        command: Verb::Failback,
        reason: "rack move".to_owned(),
        service: Some("www".into()),
        target: None,
        until: Some(Timestamp(99)),
        force: true,
    };
    let (_, ordered) = client.order(&request).unwrap();
    assert_eq!((ordered.by, ordered.seq), (me(), 7));
    client.reload(true).unwrap();
    let noted = OperatorCommand {
        by: me(),
        reason: "rack move".to_owned(),
        command: Command::Failback {
            service: "www".into(),
        },
    };
    let force = Some(Force {
        until: Some(Timestamp(99)),
    });
    assert_eq!(*server.fake.orders.lock().unwrap(), [(noted, force)]);
    assert_eq!(*server.fake.reloads.lock().unwrap(), [(me(), true)]);
}

#[test]
fn malformed_orders_are_refused_and_nothing_is_done() {
    let server = Running::start(Fake::new());
    for (body, status, words) in [
        ("", 400, "the body:"),
        ("{", 400, "the body:"),
        ("[]", 400, "the body:"),
        ("\u{0}\u{1}", 400, "the body:"),
        (
            r#"{"command": "fly", "reason": "x"}"#,
            400,
            "unknown variant `fly`",
        ),
        (r#"{"command": "thaw"}"#, 400, "missing field `reason`"),
        (
            r#"{"command": "freeze", "reason": "x", "untill_ms": 5}"#,
            400,
            "unknown field `untill_ms`",
        ),
        (
            r#"{"command": "freeze", "reason": "x", "by": "root"}"#,
            400,
            "unknown field `by`",
        ),
        (
            r#"{"command": "switch", "reason": "x", "service": "www"}"#,
            400,
            "needs a `target`",
        ),
        (
            r#"{"command": "hold", "reason": "x"}"#,
            400,
            "needs a `service`",
        ),
        (
            r#"{"command": "thaw", "reason": "x", "until_ms": 5}"#,
            400,
            "takes no `until_ms`",
        ),
        (
            r#"{"command": "failback", "reason": "x", "service": "www", "until_ms": 5}"#,
            400,
            "takes no `until_ms`",
        ),
        (
            r#"{"command": "drain", "reason": "x", "target": "a", "force": true}"#,
            400,
            "takes no `force`",
        ),
        (
            r#"{"command": "hold", "reason": "x", "service": "www", "until_ms": "soon"}"#,
            400,
            "the body:",
        ),
    ] {
        for path in ["/api/v1/plan", "/api/v1/orders"] {
            check(&server.raw_control(&post(path, body)), status, words);
        }
    }
    let long = format!(
        r#"{{"command": "thaw", "reason": "{}"}}"#,
        "a".repeat(10_000)
    );
    check(
        &server.raw_control(&post("/api/v1/orders", &long)),
        413,
        "length limit",
    );
    for (body, words) in [("{", "the body:"), ("{\"by\": \"ann\"}", "unknown field")] {
        check(
            &server.raw_control(&post("/api/v1/reload", body)),
            400,
            words,
        );
    }
    let get = "GET /api/v1/orders HTTP/1.1\r\nHost: localhost\r\n\r\n";
    check(&server.raw_control(get), 405, "does not take GET");
    for garbage in ["GET\r\n\r\n", "\u{1}\u{2}\u{3}\r\n\r\n"] {
        let reply = server.raw_control(garbage);
        assert!(!reply.starts_with("HTTP/1.1 2"), "{garbage:?}: {reply}");
    }
    assert_eq!(*server.fake.orders.lock().unwrap(), []);
    assert_eq!(*server.fake.reloads.lock().unwrap(), []);
}

#[test]
fn refusals_of_orders_have_their_status() {
    let server = Running::start(Fake::new());
    for (body, status, words) in [
        (
            r#"{"command": "hold", "reason": "x", "service": "wwv"}"#,
            404,
            "no service 'wwv': did you mean 'www'?",
        ),
        (
            r#"{"command": "thaw", "reason": "x"}"#,
            409,
            "nothing is frozen: nothing to thaw",
        ),
        (
            r#"{"command": "freeze", "reason": " "}"#,
            409,
            "the reason is empty",
        ),
        (
            r#"{"command": "freeze", "reason": "a\u001bb"}"#,
            409,
            "without control characters",
        ),
    ] {
        check(
            &server.raw_control(&post("/api/v1/plan", body)),
            status,
            words,
        );
    }
}

/// Another user is refused by the file's mode, and by the daemon where somebody changed that.
#[test]
fn other_users_are_refused() {
    const NOBODY: u32 = 65_534;
    let server = Running::start(Fake::new());
    let folder = server.folder.path();
    if fs::metadata(folder).unwrap().uid() != 0 {
        eprintln!("skipped: only root can be another user");
        return;
    }
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open(folder, 0o755);
    open(&folder.join("data"), 0o755);
    let program = folder.join("sidestep");
    fs::copy(env!("CARGO_BIN_EXE_sidestep"), &program).unwrap();
    open(&program, 0o755);
    let config = "[server]\nhttp = \"none\"\n";
    fs::write(folder.join("sidestep.toml"), config).unwrap();
    let as_nobody = || {
        let mut command = Process::new(&program);
        command
            .current_dir(folder)
            .args(["freeze", "--reason", "drill", "--yes"])
            .uid(NOBODY)
            .gid(NOBODY);
        let out = command.output().unwrap();
        assert_eq!(out.status.code(), Some(1));
        String::from_utf8(out.stderr).unwrap()
    };
    let said = as_nobody();
    assert!(
        said.contains("this user may not use data/control.sock"),
        "{said}"
    );
    open(&server.socket, 0o666);
    let said = as_nobody();
    assert!(
        said.contains("only root and the user that runs sidestep may"),
        "{said}"
    );
    assert_eq!(*server.fake.orders.lock().unwrap(), []);
}

#[test]
fn a_full_queue_of_the_socket_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let address = SockAddr::unix(&path).unwrap();
    let unix = || Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    let listener = unix();
    listener.bind(&address).unwrap();
    listener.listen(0).unwrap();
    let mut waiting = Vec::new();
    loop {
        let next = unix();
        next.set_nonblocking(true).unwrap();
        if next.connect(&address).is_err() {
            break;
        }
        waiting.push(next);
    }
    let asked = thread::spawn(move || Client::of_socket(&path).status());
    // Those before it are let in first, whenever it comes.
    for _ in &waiting {
        drop(listener.accept().unwrap());
    }
    let (mut stream, _) = listener.accept().unwrap();
    stream
        .write_all(b"HTTP/1.0 503 Busy\r\n\r\n{\"error\": \"later\"}")
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let _ = stream.read(&mut [0; 1_024]);
    assert_eq!(asked.join().unwrap().unwrap_err(), "later");
}
