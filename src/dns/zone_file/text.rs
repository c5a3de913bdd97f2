//! Zone file text cut into entries and tokens, each with its place (RFC 1035 section 5.1).
//!
//! Does not know what an entry means: owners, types and `$` directives are `zone_file`'s.
//! Contract: parentheses, quotes and comments are resolved into one entry per record; an error
//! names a byte offset, and reading goes on behind the entry that has it. Linear in the text,
//! allocates only where an entry has more tokens than all before it. Never panics.

/// A word of an entry: its text as written, escapes and quotes included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub(super) raw: &'t str,
    /// Byte offset of its first character in the text.
    pub(super) offset: usize,
}

/// One record or directive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

/// What an octet means outside quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Plain,
    /// Ends a word.
    Border,
    Quote,
    Escape,
    Control,
}

const SORTS: [Sort; 256] = {
    let mut sorts = [Sort::Plain; 256];
    let mut octet = 0;
    while octet < 256 {
        sorts[octet] = match octet as u8 {
            b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')' => Sort::Border,
            b'"' => Sort::Quote,
            b'\\' => Sort::Escape,
            0..=0x1f | 0x7f => Sort::Control,
            _ => Sort::Plain,
        };
        octet += 1;
    }
    sorts
};

impl<'t> Entries<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        // Editors on some systems begin a file with a byte order mark.
        let at = if text.starts_with('\u{feff}') { 3 } else { 0 };
        Self { text, at }
    }

    /// Puts the next entry that has a token, or what is wrong with it, into `entry`; `None` at the
    /// end of the text.
    pub(super) fn next(&mut self, entry: &mut Entry<'t>) -> Option<Result<(), Fault>> {
        loop {
            self.peek()?;
            let fault = self.entry(entry);
            self.at += 1; // the line's end
            if let Some(fault) = fault {
                return Some(Err(fault));
            }
            if !entry.tokens.is_empty() {
                return Some(Ok(()));
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_line(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n');
        self.at += length.unwrap_or(rest.len());
    }

    /// Reads up to the end of the entry, also behind a fault; the first one counts.
    fn entry(&mut self, entry: &mut Entry<'t>) -> Option<Fault> {
        entry.indented = matches!(self.peek(), Some(b' ' | b'\t'));
        entry.tokens.clear();
        entry.end = self.at;
        let mut fault = None;
        let mut depth = 0_usize;
        let mut outermost = 0;
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' if depth == 0 => break,
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b';' => self.skip_line(),
                b'(' => {
                    if depth == 0 {
                        outermost = self.at;
                    }
                    depth += 1;
                    self.at += 1;
                }
                b')' => {
                    match depth.checked_sub(1) {
                        Some(less) => depth = less,
                        None => {
                            fault.get_or_insert((self.at, "')' without '('".into()));
                        }
                    }
                    self.at += 1;
                }
                _ => {
                    match self.token() {
                        Ok(token) => entry.tokens.push(token),
                        Err(found) => {
                            fault.get_or_insert(found);
                        }
                    }
                    entry.end = self.at;
                }
            }
        }
        match depth {
            0 => fault,
            _ => Some((outermost, "'(' is never closed".into())),
        }
    }

    /// A word, or a quoted string, which is a word of its own where it does not begin within one.
    fn token(&mut self) -> Result<Token<'t>, Fault> {
        let offset = self.at;
        let mut fault = None;
        while let Some(byte) = self.peek() {
            match SORTS[usize::from(byte)] {
                Sort::Plain => self.at += 1,
                Sort::Border => break,
                Sort::Quote if self.at == offset => {
                    self.quoted(&mut fault);
                    break;
                }
                Sort::Quote => self.quoted(&mut fault),
                Sort::Escape => self.escape(&mut fault),
                Sort::Control => {
                    fault.get_or_insert((self.at, format!("control character {byte:#04x}")));
                    self.at += 1;
                }
            }
        }
        let raw = self.text.get(offset..self.at).unwrap_or_default();
        fault.map_or(Ok(Token { raw, offset }), Err)
    }

    /// Goes behind a quoted string, or to the end of the line that does not close it.
    fn quoted(&mut self, fault: &mut Option<Fault>) {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\n' => break,
                b'\\' => self.escape(fault),
                0..=0x1f | 0x7f if !matches!(byte, b'\t' | b'\r') => {
                    fault.get_or_insert((self.at, format!("control character {byte:#04x}")));
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
        let message = "this quoted string is not closed on its line";
        fault.get_or_insert((start, message.into()));
    }

    /// Goes behind `\` and the character that it escapes.
    fn escape(&mut self, fault: &mut Option<Fault>) {
        self.at += 1;
        match self.text.as_bytes().get(self.at) {
            None | Some(b'\n' | b'\r') => {
                fault.get_or_insert((self.at - 1, "'\\' at the end of a line".into()));
            }
            // The rest of a longer character is plain.
            Some(_) => self.at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut entries = Entries::new(text);
        let mut entry = Entry::default();
        let mut found = Vec::new();
        while let Some(read) = entries.next(&mut entry) {
            found.push(match read {
                Ok(()) => {
                    let raws: Vec<_> = entry.tokens.iter().map(|token| token.raw).collect();
                    let blank = if entry.indented { "_ " } else { "" };
                    format!("{blank}{}", raws.join("|"))
                }
                Err((offset, message)) => format!("{offset}: {message}"),
            });
        }
        found
    }

    #[test]
    fn text_is_cut_into_entries() {
        for (text, expect) in [
            (
                "a A 192.0.2.1 ; c\n\n;x\n b\r\n",
                vec!["a|A|192.0.2.1", "_ b"],
            ),
            ("a SOA x ( 1 ; one\n\n 2 ) y\nz", vec!["a|SOA|x|1|2|y", "z"]),
            ("a (b(c)d)e\nz", vec!["a|b|c|d|e", "z"]),
            (
                r#"a TXT "x ; (y" k="v w" \;q"#,
                vec![r#"a|TXT|"x ; (y"|k="v w"|\;q"#],
            ),
            (r#"a "b""c"d"e""#, vec![r#"a|"b"|"c"|d"e""#]),
            ("a ( b\nc", vec!["2: '(' is never closed"]),
            ("a )\nb", vec!["2: ')' without '('", "b"]),
            ("a )(\nb )\nc", vec!["2: ')' without '('", "c"]),
            (
                "a \"b\nc",
                vec!["2: this quoted string is not closed on its line", "c"],
            ),
            (
                "a ( \"b\n 1 )\nc",
                vec!["4: this quoted string is not closed on its line", "c"],
            ),
            ("a b\\", vec!["3: '\\' at the end of a line"]),
            ("a b\\\nc", vec!["3: '\\' at the end of a line", "c"]),
            ("\u{feff}a", vec!["a"]),
            ("a \u{1}\nb", vec!["2: control character 0x01", "b"]),
            ("a \\é\"é\\é\"", vec!["a|\\é\"é\\é\""]),
            ("", vec![]),
        ] {
            assert_eq!(words(text), expect, "{text:?}");
        }
    }
}
