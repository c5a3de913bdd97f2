//! Sweeps: `FALL=2..6`, `FAILBACK=1m,5m,10m` or `SLOW=400..1200/200`, each value a run of its own.

use crate::model::{Param, Params, duration::parse_ms};

/// The most runs of a sweep.
pub const RUNS_MAX: usize = 1_000;

/// One swept parameter and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// The parameter.
    pub name: String,
    /// Its values, in the order written.
    pub values: Vec<Param>,
}

/// Reads `NAME=VALUE`: an int, true or false, else a text, which a duration is.
///
/// # Errors
/// A sentence that says what can be written.
pub fn parse_set(text: &str) -> Result<(String, Param), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, value)| !name.trim().is_empty() && !value.trim().is_empty())
        .ok_or_else(|| {
            format!("'{text}' sets nothing: write NAME=VALUE, such as FALL=5 or FAILBACK=10m")
        })?;
    Ok((name.trim().to_owned(), value_of(value.trim())))
}

fn value_of(text: &str) -> Param {
    match text {
        "true" => Param::Bool(true),
        "false" => Param::Bool(false),
        _ => text
            .parse()
            .map_or_else(|_| Param::Text(text.to_owned()), Param::Int),
    }
}

impl Sweep {
    /// Reads `NAME=A..B`, `NAME=A..B/STEP` (B included) or `NAME=a,b,c`.
    ///
    /// # Errors
    /// A sentence that says what can be written.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "'{text}' sweeps nothing: write FALL=2..6, SLOW=400..1200/200 or FAILBACK=1m,5m,10m"
            )
        };
        let (name, values) = text.split_once('=').ok_or_else(wrong)?;
        let name = name.trim().to_owned();
        if name.is_empty() || values.trim().is_empty() {
            return Err(wrong());
        }
        let Some((low, high)) = values.split_once("..") else {
            let values = values.split(',').map(|value| value_of(value.trim()));
            let values: Vec<Param> = values.collect();
            if values.contains(&Param::Text(String::new())) {
                return Err(wrong());
            }
            return Ok(Self { name, values });
        };
        let (high, step) = high.split_once('/').unwrap_or((high, "1"));
        let is_time = |text: &str| text.trim().parse::<i64>().is_err();
        let number = |text: &str| {
            let text = text.trim();
            text.parse()
                .or_else(|_| parse_ms(text))
                .map_err(|_| wrong())
        };
        let (from, to, by) = (number(low)?, number(high)?, number(step)?);
        if by < 1 || from > to {
            return Err(format!(
                "'{text}' has no values: it runs from the lower to the higher one by steps of 1 or more"
            ));
        }
        if is_time(high) && !values.contains('/') {
            return Err(format!(
                "'{text}' needs a step: write {name}={low}..{high}/1m"
            ));
        }
        let count = (to.saturating_sub(from)) / by;
        if usize::try_from(count).map_or(true, |count| count >= RUNS_MAX) {
            return Err(format!("'{text}' has more than {RUNS_MAX} values"));
        }
        let values = (0..=count).map(|index| Param::Int(from + index * by));
        Ok(Self {
            name,
            values: values.collect(),
        })
    }
}

/// Every combination of the values, the last parameter changes fastest.
///
/// # Errors
/// There are too many.
pub fn combinations(sweeps: &[Sweep]) -> Result<Vec<Params>, String> {
    let mut all = vec![Params::new()];
    for sweep in sweeps {
        if all.len().saturating_mul(sweep.values.len()) > RUNS_MAX {
            return Err(format!(
                "the sweep has more than {RUNS_MAX} runs: sweep fewer values"
            ));
        }
        let with = |params: &Params| {
            let each = sweep.values.iter().map(|value| {
                let mut params = params.clone();
                params.insert(sweep.name.clone(), value.clone());
                params
            });
            each.collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with).collect();
    }
    if sweeps.is_empty() {
        all.clear();
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(values: &[i64]) -> Vec<Param> {
        values.iter().map(|&value| Param::Int(value)).collect()
    }

    #[test]
    fn ranges_steps_and_lists_are_read() {
        for (text, values) in [
            ("FALL=2..6", ints(&[2, 3, 4, 5, 6])),
            ("SLOW=400..1000/300", ints(&[400, 700, 1_000])),
            ("F=1m..3m/1m", ints(&[60_000, 120_000, 180_000])),
            ("F=1,5", ints(&[1, 5])),
            (
                "F=1m,true",
                vec![Param::Text("1m".into()), Param::Bool(true)],
            ),
        ] {
            assert_eq!(
                Sweep::parse(text).map(|sweep| sweep.values),
                Ok(values),
                "{text}"
            );
        }
        for text in [
            "",
            "F",
            "F=",
            "=1",
            "F=6..2",
            "F=1..2/0",
            "F=1..x",
            "F=1,,2",
            "F=0..9999",
            "F=1m..3m",
        ] {
            assert!(Sweep::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn combinations_are_every_pair_in_order() {
        let sweeps = [
            Sweep::parse("A=1,2").unwrap(),
            Sweep::parse("B=3,4").unwrap(),
        ];
        let all = combinations(&sweeps).unwrap();
        let pairs: Vec<String> = all
            .iter()
            .map(|set| format!("{}{}", set["A"], set["B"]))
            .collect();
        assert_eq!(pairs, ["13", "14", "23", "24"]);
        let many = vec![
            Sweep::parse("A=1..100").unwrap(),
            Sweep::parse("B=1..100").unwrap(),
        ];
        assert!(combinations(&many).is_err());
        assert_eq!(combinations(&[]), Ok(Vec::new()));
    }
}
