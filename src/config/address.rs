//! Where the daemon of a configuration answers and keeps its journal, also while that
//! configuration is broken.

use super::paths::Paths;
use crate::model::ServerConfig;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};
use toml::de::{DeTable, DeValue};

/// The `http` of `[server]`, its default where it is not readable; `None` where it is switched
/// off. What is wrong with the rest of the file does not matter here: an operator who broke it
/// must still be able to ask the daemon what it thinks of it.
pub fn http_address(text: &str) -> Option<SocketAddr> {
    let default = ServerConfig::default().http;
    match written(text, "http").as_deref() {
        Some("none") => None,
        Some(address) => address.parse().ok().or(default),
        None => default,
    }
}

/// The folder of the journal and the control socket of the configuration file `path`, whose text
/// is `text`: its `data` of `[server]`, the default where it is not readable.
pub fn data_folder(path: &Path, text: &str) -> PathBuf {
    let data = written(text, "data").filter(|data| !data.is_empty() && !data.contains('\0'));
    let data = data.map_or_else(|| ServerConfig::default().data, PathBuf::from);
    Paths::of(path).resolve(data)
}

/// A text of `[server]`, where it can be read.
fn written(text: &str, key: &str) -> Option<String> {
    let (root, _errors) = DeTable::parse_recoverable(text);
    let DeValue::Table(server) = root.get_ref().get("server")?.get_ref() else {
        return None;
    };
    match server.get(key)?.get_ref() {
        DeValue::String(text) => Some(text.clone().into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_a_broken_file_too() {
        let default = ServerConfig::default().http;
        let own = Some(SocketAddr::from(([127, 0, 0, 1], 9053)));
        for (text, expected) in [
            ("", default),
            ("[server]\nhttp = \"127.0.0.1:9053\"\n", own),
            (
                "[server]\nhttp = \"127.0.0.1:9053\"\n[[target]\nname = \n",
                own,
            ),
            ("[server]\nhttp = \"nowhere\"\n", default),
        ] {
            assert_eq!(http_address(text), expected, "{text}");
        }
    }

    #[test]
    fn so_is_the_folder_of_the_journal() {
        for (text, expected) in [
            ("", "etc/data"),
            ("[server]\ndata = \"/var/lib/x\"\n", "/var/lib/x"),
            ("[server]\ndata = \"d\"\n[[target]\nname = \n", "etc/d"),
            ("[server]\ndata = \"\"\n", "etc/data"),
            ("[server]\ndata = 3\n", "etc/data"),
        ] {
            let found = data_folder(Path::new("etc/sidestep.toml"), text);
            assert_eq!(found, Path::new(expected), "{text}");
        }
    }
}
