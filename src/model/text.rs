//! Text from outside, made harmless: what a policy or a recording says must not drive what shows it.

/// The text without control characters, and without those that break lines or turn the direction
/// of what follows; each becomes a space.
pub fn clean(text: &str) -> String {
    let drives = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
    };
    text.chars()
        .map(|c| if drives(c) { ' ' } else { c })
        .collect()
}

/// The first `length` characters, the last of them `…` where some are missing.
pub fn cut(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let kept: String = text.chars().take(length.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}
