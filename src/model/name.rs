//! Names: one newtype for each kind of thing that has one, so that they cannot be swapped.

use serde::{Deserialize, Serialize};
use std::{borrow::Borrow, fmt, ops::Deref, sync::Arc};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// A target's name, as in `[[target]] name = "primary"`.
    TargetName
);
name!(
    /// A monitor's name.
    MonitorName
);
name!(
    /// A service's name.
    ServiceName
);
name!(
    /// Where probes run from: the `[server] name` of a node.
    VantageName
);
name!(
    /// A policy's file name below the policy directory, such as `failover.rhai`.
    PolicyName
);
name!(
    /// An absolute domain name in lower case, without the dot at its end; the root is `"."`.
    /// Checked by `config`: labels of 1–63 octets, at most 253 in all (RFC 1035 section 2.3.4).
    DnsName
);

impl DnsName {
    /// Whether this name is `apex` or below it.
    pub fn is_within(&self, apex: &Self) -> bool {
        let apex = apex.as_str();
        apex == "."
            || self.as_str() == apex
            || self
                .as_str()
                .strip_suffix(apex)
                .is_some_and(|head| head.ends_with('.'))
    }

    /// What a wildcard stands below, `example.com` of `*.example.com`; `None` of other names.
    pub fn below_wildcard(&self) -> Option<&str> {
        self.as_str().strip_prefix("*.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_within_its_apex_and_not_within_a_longer_word() {
        let apex = DnsName::from("example.com");
        assert!(DnsName::from("example.com").is_within(&apex));
        assert!(DnsName::from("www.example.com").is_within(&apex));
        assert!(!DnsName::from("wwwexample.com").is_within(&apex));
        assert!(!DnsName::from("example.net").is_within(&apex));
        assert!(DnsName::from("a").is_within(&DnsName::from(".")));
    }
}
