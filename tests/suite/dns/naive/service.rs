//! What a service of the model answers.

use sidestep::failover::ServiceAnswer;

pub(super) const SERVICE_TTL_SECS: u32 = 7;

#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) owner: String,
    /// `None` while nothing is decided.
    pub(super) addresses: Option<Vec<&'static str>>,
    pub(super) beside: Beside,
}

/// What a service has beside its addresses.
#[derive(Clone, Debug)]
pub(super) enum Beside {
    Nothing,
    /// An MX and an HTTPS record that name this.
    Records(String),
    /// In their place.
    Alias(String),
}

impl Service {
    pub(super) fn alias(&self) -> Option<&str> {
        match &self.beside {
            Beside::Alias(target) if self.addresses.is_some() => Some(target),
            _ => None,
        }
    }

    /// Its records of a type, where it owns that type.
    pub(super) fn set(&self, kind: &str) -> Option<Vec<String>> {
        if let Some(target) = self.alias() {
            let alias = (kind == "CNAME").then(|| format!("{target}."));
            return Some(alias.into_iter().collect());
        }
        match (&self.beside, kind) {
            (_, "A" | "AAAA") => {
                let addresses = self.addresses.iter().flatten();
                let of_kind = addresses.filter(|one| one.contains(':') == (kind == "AAAA"));
                Some(of_kind.map(|one| (*one).to_owned()).collect())
            }
            (Beside::Records(_), "MX" | "HTTPS") if self.addresses.is_some() => {
                let of_kind = |one: &&String| one.starts_with(kind);
                let records = self.records();
                let data = records.iter().filter(of_kind).map(|one| {
                    let (_, data) = one.split_once(' ').unwrap();
                    data.to_owned()
                });
                Some(data.collect())
            }
            _ => None,
        }
    }

    fn records(&self) -> Vec<String> {
        match &self.beside {
            Beside::Records(target) => {
                vec![format!("MX 3 {target}."), format!("HTTPS 1 {target}.")]
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn answer(&self) -> Option<ServiceAnswer> {
        let addresses = self.addresses.as_ref()?.iter();
        let alias = self.alias();
        Some(ServiceAnswer {
            addresses: match alias {
                None => addresses.map(|one| one.parse().unwrap()).collect(),
                Some(_) => Vec::new(),
            },
            records: self.records(),
            cname: alias.map(Into::into),
            ttl_secs: SERVICE_TTL_SECS,
            ..ServiceAnswer::default()
        })
    }
}
