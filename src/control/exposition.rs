//! A writer of the Prometheus text format, version 0.0.4, and nothing more of Prometheus.
//!
//! Metrics are computed when they are asked for, from an overview; a metrics library keeps
//! registries of live counters, which would be a second truth beside the state. What is left of
//! one is these few lines. Format: prometheus.io/docs/instrumenting/exposition_formats.

use std::fmt::{self, Write};

/// Metric families, written one after the other. All samples of a family stand together.
#[derive(Default)]
pub(super) struct Exposition {
    text: String,
    family: &'static str,
}

impl Exposition {
    /// Begins a family: `kind` is `gauge`, `counter`, `summary` or `histogram`; `help` is one line.
    pub(super) fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        self.push(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// A sample of the family begun last.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl fmt::Display) {
        self.suffixed("", labels, value);
    }

    /// A sample of the family begun last under its name and `suffix`: `_bucket`, `_sum`, `_count`.
    pub(super) fn suffixed(
        &mut self,
        suffix: &str,
        labels: &[(&str, &str)],
        value: impl fmt::Display,
    ) {
        let family = self.family;
        self.push(format_args!("{family}{suffix}"));
        for (index, (name, text)) in labels.iter().enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            self.push(format_args!("{open}{name}=\"{}\"", Escaped(text)));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        self.push(format_args!("{close} {value}\n"));
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        self.text
    }

    fn push(&mut self, text: fmt::Arguments<'_>) {
        self.text
            .write_fmt(text)
            .expect("writing into a String does not fail");
    }
}

/// A label value as the format wants it: backslash, quote and line feed escaped.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Integer thousandths or millionths of a second as decimal seconds, the base unit.
pub(super) enum Seconds {
    /// Of milliseconds.
    Ms(i64),
    /// Of microseconds.
    Us(u64),
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Ms(ms) => {
                let sign = if ms < 0 { "-" } else { "" };
                let ms = ms.unsigned_abs();
                write!(f, "{sign}{}.{:03}", ms / 1_000, ms % 1_000)
            }
            Self::Us(us) => write!(f, "{}.{:06}", us / 1_000_000, us % 1_000_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Seconds;

    #[test]
    fn seconds_are_written_without_floats() {
        for (seconds, text) in [
            (Seconds::Ms(0), "0.000"),
            (Seconds::Ms(1_763_800_000_123), "1763800000.123"),
            (Seconds::Ms(-1_005), "-1.005"),
            (Seconds::Ms(i64::MIN), "-9223372036854775.808"),
            (Seconds::Us(41_200), "0.041200"),
            (Seconds::Us(u64::MAX), "18446744073709.551615"),
        ] {
            assert_eq!(seconds.to_string(), text);
        }
    }
}
