//! Zone file text cut into entries and tokens, each with its place (RFC 1035 section 5.1).
//!
//! Does not know what an entry means: owners, types and `$` directives are `zone_file`'s.
//! Contract: parentheses, quotes, comments and escapes are resolved into one entry per record;
//! an error names a byte offset and reading goes on at the next line. Never panics.

use hickory_proto::rr::Name;

/// A word of an entry: its text as written, escapes and quotes included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub(super) raw: &'t str,
    /// Byte offset of its first character in the text.
    pub(super) offset: usize,
}

/// One record or directive.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entry<'t> {
    /// It begins with a blank: its owner is that of the entry before.
    pub(super) indented: bool,
    pub(super) tokens: Vec<Token<'t>>,
    /// Byte offset behind its last token, where a missing field would stand.
    pub(super) end: usize,
}

/// What is wrong, at which byte offset.
pub(super) type Fault = (usize, String);

/// Reads entry by entry.
pub(super) struct Entries<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Entries<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        // Editors on some systems begin a file with a byte order mark.
        let at = if text.starts_with('\u{feff}') { 3 } else { 0 };
        Self { text, at }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_line(&mut self) {
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    fn entry(&mut self) -> Result<Entry<'t>, Fault> {
        let mut entry = Entry {
            indented: matches!(self.peek(), Some(b' ' | b'\t')),
            ..Entry::default()
        };
        let mut open = Vec::new();
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' if open.is_empty() => break,
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b';' => self.skip_line(),
                b'(' => {
                    open.push(self.at);
                    self.at += 1;
                }
                b')' => {
                    if open.pop().is_none() {
                        return Err((self.at, "')' without '('".into()));
                    }
                    self.at += 1;
                }
                _ => {
                    let token = self.token()?;
                    entry.end = self.at;
                    entry.tokens.push(token);
                }
            }
        }
        match open.first() {
            Some(&offset) => Err((offset, "'(' is never closed".into())),
            None => Ok(entry),
        }
    }

    fn token(&mut self) -> Result<Token<'t>, Fault> {
        let offset = self.at;
        let mut quote = None;
        while let Some(byte) = self.peek() {
            match (byte, quote) {
                (b'"', None) => quote = Some(self.at),
                (b'"', Some(_)) => quote = None,
                (b'\n', Some(start)) => return Err((start, UNCLOSED.into())),
                (b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')', None) => break,
                (b'\t' | b'\r', Some(_)) => {}
                (b'\\', _) => {
                    self.at += 1;
                    if matches!(self.peek(), None | Some(b'\n' | b'\r')) {
                        return Err((self.at - 1, "'\\' at the end of a line".into()));
                    }
                }
                (0..=0x1f | 0x7f, _) => {
                    return Err((self.at, format!("control character {byte:#04x}")));
                }
                _ => {}
            }
            self.at += 1;
        }
        if let Some(start) = quote {
            return Err((start, UNCLOSED.into()));
        }
        let raw = self.text.get(offset..self.at).unwrap_or_default();
        Ok(Token { raw, offset })
    }
}

const UNCLOSED: &str = "this quoted string is not closed on its line";

impl<'t> Iterator for Entries<'t> {
    type Item = Result<Entry<'t>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.peek()?;
            let entry = self.entry();
            if entry.is_err() {
                self.skip_line();
            }
            self.at += 1;
            match entry {
                Ok(entry) if entry.tokens.is_empty() => {}
                entry => return Some(entry),
            }
        }
    }
}

/// One octet of a text and whether it was escaped; `\X` is X, `\DDD` the octet DDD (decimal).
fn octets(raw: &str) -> Result<Vec<(u8, bool)>, String> {
    let mut octets = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            octets.push((byte, false));
            continue;
        }
        let first = bytes.next().ok_or("'\\' at the end")?;
        if !first.is_ascii_digit() {
            octets.push((first, true));
            continue;
        }
        let digits = [Some(first), bytes.next(), bytes.next()];
        let value = digits.into_iter().try_fold(0_u32, |value, digit| {
            let digit = digit.filter(u8::is_ascii_digit)?;
            Some(value * 10 + u32::from(digit - b'0'))
        });
        let octet = value.and_then(|value| u8::try_from(value).ok());
        octets.push((
            octet.ok_or("write an octet as '\\' and three digits up to 255")?,
            true,
        ));
    }
    Ok(octets)
}

/// The octets of a character string, quoted or not; at most 255 (RFC 1035 section 3.3).
pub(super) fn character_string(raw: &str) -> Result<Vec<u8>, String> {
    let octets = octets(raw)?.into_iter();
    let string: Vec<u8> = octets
        .filter(|&octet| octet != (b'"', false))
        .map(|(octet, _)| octet)
        .collect();
    match string.len() {
        0..=255 => Ok(string),
        length => Err(format!(
            "this string has {length} octets of at most 255; split it into several quoted strings"
        )),
    }
}

/// A domain name as written; relative ones stand below `origin`, `@` is the origin.
pub(super) fn domain_name(raw: &str, origin: &Name) -> Result<Name, String> {
    if raw == "@" {
        return Ok(origin.clone());
    }
    if raw == "." {
        return Ok(Name::root());
    }
    if raw.contains('"') || !raw.is_ascii() {
        return Err(format!(
            "'{raw}' is no domain name; write other scripts in punycode (xn--…)"
        ));
    }
    let mut labels = vec![Vec::new()];
    for octet in octets(raw)? {
        match octet {
            (b'.', false) => labels.push(Vec::new()),
            (octet, _) => labels.last_mut().expect("never empty").push(octet),
        }
    }
    let absolute = labels.last().is_some_and(Vec::is_empty);
    if absolute {
        labels.pop();
    }
    if let Some(label) = labels.iter().find(|label| !(1..=63).contains(&label.len())) {
        return Err(match label.len() {
            0 => format!("'{raw}' has an empty label"),
            length => format!("'{raw}' has a label of {length} octets of at most 63"),
        });
    }
    let labels = labels.iter().map(Vec::as_slice);
    let name = if absolute {
        Name::from_labels(labels)
    } else {
        Name::from_labels(labels.chain(origin.iter()))
    };
    name.map_err(|_| format!("'{raw}' is longer than 255 octets in all"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Entries::new(text)
            .map(|entry| match entry {
                Ok(entry) => {
                    let raws: Vec<_> = entry.tokens.iter().map(|token| token.raw).collect();
                    format!(
                        "{}{}",
                        if entry.indented { "_ " } else { "" },
                        raws.join("|")
                    )
                }
                Err((offset, message)) => format!("{offset}: {message}"),
            })
            .collect()
    }

    #[test]
    fn text_is_cut_into_entries() {
        for (text, expect) in [
            (
                "a A 192.0.2.1 ; c\n\n;x\n b\r\n",
                vec!["a|A|192.0.2.1", "_ b"],
            ),
            ("a SOA x ( 1 ; one\n\n 2 ) y\nz", vec!["a|SOA|x|1|2|y", "z"]),
            (
                r#"a TXT "x ; (y" k="v w" \;q"#,
                vec![r#"a|TXT|"x ; (y"|k="v w"|\;q"#],
            ),
            ("a ( b\nc", vec!["2: '(' is never closed"]),
            ("a )\nb", vec!["2: ')' without '('", "b"]),
            (
                "a \"b\nc",
                vec!["2: this quoted string is not closed on its line", "c"],
            ),
            ("a b\\", vec!["3: '\\' at the end of a line"]),
            ("\u{feff}a", vec!["a"]),
            ("a \u{1}\nb", vec!["2: control character 0x01", "b"]),
            ("", vec![]),
        ] {
            assert_eq!(words(text), expect, "{text:?}");
        }
    }

    #[test]
    fn names_are_relative_to_the_origin_and_escapes_are_decimal() {
        let origin = Name::from_ascii("example.com.").unwrap();
        for (raw, expect) in [
            ("www", "www.example.com."),
            ("@", "example.com."),
            ("a.b.", "a.b."),
            (".", "."),
            ("*", "*.example.com."),
            (r"\087\119w.x.", "Www.x."),
        ] {
            let name = domain_name(raw, &origin).unwrap();
            assert_eq!(name.to_ascii(), expect, "{raw}");
        }
        let two = domain_name(r"a\.b.x.", &origin).unwrap();
        assert_eq!(two.iter().next(), Some(&b"a.b"[..]));
        let long = "x".repeat(64);
        let deep = "abcdefg.".repeat(32);
        for raw in ["a..b", "..", &long, &deep, r"\256", r"\1", "ä"] {
            assert!(domain_name(raw, &origin).is_err(), "{raw}");
        }
    }
}
