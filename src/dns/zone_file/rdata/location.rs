//! LOC records from text to wire form (RFC 1876 sections 2 and 3).
//!
//! `D [M [S]] N|S D [M [S]] E|W ALTITUDE[m] [SIZE[m] [HORIZONTAL[m] [VERTICAL[m]]]]`. Contract:
//! whole numbers throughout, so that every machine gives the same octets.

use super::{Fields, fields::is_not};
use crate::dns::zone_file::{
    text::{Fault, Token},
    word::shown,
};

/// The equator and the prime meridian, in thousandths of a second of arc.
const MIDDLE: u32 = 1 << 31;
/// What an altitude is counted from: 100 km below the ellipsoid, in centimetres.
const DEPTH_CM: i64 = 10_000_000;
/// The largest size or precision, in centimetres: 90,000 km.
const MAX_SIZE_CM: i64 = 9_000_000_000;

impl<'t> Fields<'_, 't> {
    /// The 16 octets of a LOC record.
    pub(super) fn location(&mut self) -> Result<(), Fault> {
        let latitude = self.angle("a latitude", 90, ("N", "S"))?;
        let longitude = self.angle("a longitude", 180, ("E", "W"))?;
        let (altitude_cm, offset) = self.metres("an altitude")?;
        let altitude = u32::try_from(altitude_cm + DEPTH_CM).map_err(|_| {
            (
                offset,
                "an altitude is -100000.00m to 42849672.95m".to_owned(),
            )
        })?;
        // A metre, ten kilometres and ten metres are what is meant where nothing is said.
        let mut sizes = [0x12, 0x16, 0x13];
        let whats = ["a size", "a horizontal precision", "a vertical precision"];
        for (size, what) in sizes.iter_mut().zip(whats) {
            if self.tokens.is_empty() {
                break;
            }
            let (cm, offset) = self.metres(what)?;
            if !(0..=MAX_SIZE_CM).contains(&cm) {
                return Err((offset, format!("{what} is 0.00m to 90000000.00m")));
            }
            *size = rounded(cm);
        }
        self.out.push(0);
        self.out.extend_from_slice(&sizes);
        for number in [latitude, longitude, altitude] {
            self.put_u32(number);
        }
        Ok(())
    }

    fn next_of_location(&mut self, what: &str) -> Result<Token<'t>, Fault> {
        self.next(&format!("{what}, as in 52 22 23.0 N 4 53 32.0 E -2.00m"))
    }

    /// Degrees, minutes and seconds up to the letter that says which way.
    fn angle(&mut self, what: &str, most: i64, ways: (&str, &str)) -> Result<u32, Fault> {
        let mut arc = 0_i64;
        // What a unit is worth in thousandths of a second, and its decimals and bound.
        let units = [(3_600_000, 0, most + 1), (60_000, 0, 60), (1, 3, 60_000)];
        let first = self.next_of_location(what)?;
        let mut token = first;
        for (index, (worth, decimals, bound)) in units.into_iter().enumerate() {
            if index > 0 && is_way(&token, ways) {
                break;
            }
            let number = fixed(token.raw, decimals).filter(|number| (0..bound).contains(number));
            arc += worth * number.ok_or_else(|| not(&token, what, ways))?;
            token = self.next_of_location(&format!("{} or {}", ways.0, ways.1))?;
        }
        if !is_way(&token, ways) {
            return Err(not(&token, what, ways));
        }
        if arc > most * 3_600_000 {
            return Err((first.offset, format!("{what} is at most {most} degrees")));
        }
        let arc = u32::try_from(arc).unwrap_or_default();
        Ok(match token.raw.eq_ignore_ascii_case(ways.0) {
            true => MIDDLE + arc,
            false => MIDDLE - arc,
        })
    }

    /// A length in centimetres, and where it stands.
    fn metres(&mut self, what: &str) -> Result<(i64, usize), Fault> {
        let token = self.next_of_location(what)?;
        let number = token.raw.strip_suffix(['m', 'M']).unwrap_or(token.raw);
        let cm =
            fixed(number, 2).ok_or_else(|| is_not(&token, what, "write metres, such as 10.50m"))?;
        Ok((cm, token.offset))
    }
}

/// A digit and a power of ten in an octet's halves.
fn rounded(cm: i64) -> u8 {
    let (mut digit, mut power) = (cm, 0_u8);
    while digit >= 10 {
        digit /= 10;
        power += 1;
    }
    (u8::try_from(digit).unwrap_or(9) << 4) | power
}

fn is_way(token: &Token<'_>, ways: (&str, &str)) -> bool {
    token.raw.eq_ignore_ascii_case(ways.0) || token.raw.eq_ignore_ascii_case(ways.1)
}

fn not(token: &Token<'_>, what: &str, ways: (&str, &str)) -> Fault {
    let (raw, (plus, minus)) = (shown(token.raw), ways);
    let bare = what.trim_start_matches("a ");
    let message = format!(
        "'{raw}' belongs to no {bare}: write degrees, minutes and seconds, then {plus} or {minus}"
    );
    (token.offset, message)
}

/// A decimal number times ten to the power `decimals`; it may have fewer decimals, not more.
fn fixed(raw: &str, decimals: usize) -> Option<i64> {
    let (sign, digits) = match raw.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, raw),
    };
    let (whole, part) = match digits.split_once('.') {
        Some((whole, part)) if decimals > 0 => (whole, part),
        Some(_) => return None,
        None => (digits, ""),
    };
    let is_number = !whole.is_empty() && whole.len() <= 10 && part.len() <= decimals;
    if !is_number
        || !whole
            .bytes()
            .chain(part.bytes())
            .all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let padded = format!("{whole}{part:0<decimals$}");
    padded.parse::<i64>().ok().map(|number| sign * number)
}
