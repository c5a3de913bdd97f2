//! Where the daemon of a configuration answers, also while that configuration is broken.

use crate::model::ServerConfig;
use std::net::SocketAddr;
use toml::de::{DeTable, DeValue};

/// The `http` of `[server]`, its default where it is not readable; `None` where it is switched
/// off. What is wrong with the rest of the file does not matter here: an operator who broke it
/// must still be able to ask the daemon what it thinks of it.
pub fn http_address(text: &str) -> Option<SocketAddr> {
    let (root, _errors) = DeTable::parse_recoverable(text);
    let written = root
        .get_ref()
        .get("server")
        .and_then(|server| match server.get_ref() {
            DeValue::Table(server) => server.get("http"),
            _ => None,
        });
    let default = ServerConfig::default().http;
    match written.map(toml::Spanned::get_ref) {
        Some(DeValue::String(off)) if off == "none" => None,
        Some(DeValue::String(address)) => address.parse().ok().or(default),
        _ => default,
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
}
