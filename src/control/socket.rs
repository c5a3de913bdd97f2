//! The control socket: a Unix socket that only root and the daemon's own user may use.
//!
//! Its file is mode 0600 before anybody can connect: it is bound, then changed, then listened on.
//! Who is at the other end is what the kernel says (SO_PEERCRED), never what a request says. What
//! is asked for over it is not known here.

use nix::unistd::{Uid, User};
use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    os::unix::{ffi::OsStrExt as _, net::UnixListener},
    path::{Path, PathBuf},
};

/// The socket's name in the data folder.
const NAME: &str = "control.sock";
/// The longest path that a socket can have, bytes (unix(7): `sun_path`, less its zero).
const PATH_MAX: usize = 107;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 64;

/// Where the daemon whose data folder this is has its control socket.
pub fn socket_path(data: &Path) -> PathBuf {
    data.join(NAME)
}

/// A control socket that is listened on. Its file goes when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: Option<UnixListener>,
    path: PathBuf,
    /// Device and inode of the file: another daemon's is not removed.
    file: (u64, u64),
}

/// Takes the control socket in the folder `data`, which is made (mode 0700) where it is missing.
/// The socket of a dead daemon is replaced.
///
/// # Errors
/// One sentence for the operator: a daemon lives there, something else is in the way, the path is
/// too long, or the folder may not be written to.
pub fn bind_socket(data: &Path) -> Result<ControlSocket, String> {
    let path = socket_path(data);
    let at = path.display();
    if path.as_os_str().as_bytes().len() > PATH_MAX {
        return Err(format!(
            "the path of the control socket is longer than {PATH_MAX} bytes ({at}): name a shorter \
             `data` in [server], or start sidestep in the folder of its configuration"
        ));
    }
    let failed = |what: &str, error: &io::Error| format!("cannot {what}: {error}");
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(|error| failed(&format!("make the data folder {}", data.display()), &error))?;
    clear(&path)?;
    let listen = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(&path)?)?;
        // Nobody can connect before it is listened on, whatever the umask made of its mode.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(UnixListener::from(std::os::fd::OwnedFd::from(socket)))
    };
    let listener =
        listen().map_err(|error| failed(&format!("make the control socket {at}"), &error))?;
    let made = fs::symlink_metadata(&path)
        .map_err(|error| failed(&format!("look at the control socket {at}"), &error))?;
    Ok(ControlSocket {
        listener: Some(listener),
        file: (made.dev(), made.ino()),
        path,
    })
}

/// Removes the socket of a daemon that is dead.
fn clear(path: &Path) -> Result<(), String> {
    let at = path.display();
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("cannot look at {at}: {error}")),
    };
    if !found.file_type().is_socket() {
        return Err(format!(
            "{at} is in the way and is no socket: move it away, or name another `data` in [server]"
        ));
    }
    if is_alive(path) {
        return Err(format!(
            "another sidestep answers at {at}: stop it, or name another `data` in [server]"
        ));
    }
    fs::remove_file(path).map_err(|error| format!("cannot replace {at}: {error}"))
}

/// Whether a daemon answers at the control socket in the folder `data`.
pub fn is_answered(data: &Path) -> bool {
    let path = socket_path(data);
    let found = fs::symlink_metadata(&path);
    found.is_ok_and(|found| found.file_type().is_socket()) && is_alive(&path)
}

/// Whether somebody listens: also somebody whose queue is full or whom we may not speak to.
fn is_alive(path: &Path) -> bool {
    let connected = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    match connected() {
        Err(error) => {
            let kind = error.kind();
            kind != io::ErrorKind::ConnectionRefused && kind != io::ErrorKind::NotFound
        }
        Ok(()) => true,
    }
}

impl ControlSocket {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The listener, once.
    pub(super) fn take(&mut self) -> io::Result<UnixListener> {
        let taken = self.listener.take();
        taken.ok_or_else(|| io::Error::other("the control socket is served already"))
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.file);
        if ours {
            // Where it cannot be removed, the next start finds that nobody listens.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether a user may give orders: root and the daemon's own.
pub(super) fn may_order(uid: u32) -> bool {
    uid == 0 || uid == Uid::effective().as_raw()
}

/// A user as the log names them: `alice (uid 1000)`, `uid 1000` where there is no name. Asks the
/// system's user database, which may block.
pub(super) fn named(uid: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    let name = user.map(|user| user.name);
    match name.filter(|name| !name.is_empty() && !name.chars().any(char::is_control)) {
        Some(name) => format!("{name} (uid {uid})"),
        None => format!("uid {uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_named() {
        assert_eq!(named(0), "root (uid 0)");
        assert_eq!(named(4_000_000_001), "uid 4000000001");
        assert!(may_order(0) && may_order(Uid::effective().as_raw()));
        assert!(!may_order(4_000_000_001));
    }
}
