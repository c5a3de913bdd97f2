//! What would have changed what the shipped policy proposed.

use super::{Recorded, all};
use sidestep::{cli::show, cli::show::Look};

const WELL: [(&str, Option<u32>); 3] = [
    ("primary", Some(20)),
    ("backup", Some(20)),
    ("third", Some(20)),
];
const PRIMARY_BAD: [(&str, Option<u32>); 3] =
    [("primary", None), ("backup", Some(20)), ("third", Some(20))];

#[test]
fn two_of_three_failures_are_one_short() {
    let mut recorded = Recorded::shipped();
    recorded.rounds(10, &WELL).rounds(2, &PRIMARY_BAD);
    let explained = recorded.explained();
    println!("{}", show::explanation(&explained, Look::PLAIN));
    assert_eq!(all(&explained), ["primary.failures 2 -> 3 => backup:18"]);
    recorded.rounds(1, &PRIMARY_BAD);
    let explained = recorded.explained();
    println!("{}", show::explanation(&explained, Look::PLAIN));
    recorded.rounds(5, &PRIMARY_BAD);
    let explained = recorded.explained();
    println!("{}", show::explanation(&explained, Look::PLAIN));
    recorded.rounds(50, &WELL);
    let explained = recorded.explained();
    println!("{}", show::explanation(&explained, Look::PLAIN));
    recorded.rounds(260, &WELL);
    let explained = recorded.explained();
    println!("{}", show::explanation(&explained, Look::PLAIN));
}
