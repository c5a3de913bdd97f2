//! `policies/README.md` is held against the code: its examples run, its tables hold, and no word
//! of the API is missing.

use super::{config_of, load, read, service, tell};
use sidestep::{
    config,
    failover::rehearsal::{Rehearsal, run_story, trials},
    model::{Config, Params, PolicyText},
    policy::{Library, definitions, limits},
};

const TARGETS: [&str; 3] = ["primary", "backup", "third"];

/// The fenced blocks of a language, each with the line of its begin.
fn blocks(language: &str) -> Vec<(usize, String)> {
    let text = read("README.md");
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        match &mut open {
            Some(block) if line != "```" => block.1.push_str(&format!("{line}\n")),
            Some(_) => blocks.extend(open.take()),
            None if line == format!("```{language}") => open = Some((number, String::new())),
            None => {}
        }
    }
    blocks
}

/// The rows of the table under a heading that is as wide as `head`: its cells, without ticks.
fn table(head: &str) -> Vec<Vec<String>> {
    let text = read("README.md");
    let mut lines = text.lines().skip_while(|line| *line != head).skip(2);
    let rows = lines.by_ref().take_while(|line| line.starts_with('|'));
    let cell = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let rows: Vec<Vec<String>> = rows
        .map(|row| row.trim_matches('|').split(" | ").map(cell).collect())
        .collect();
    assert!(rows.len() > 3, "no table {head}");
    rows
}

fn text(source: String) -> PolicyText {
    PolicyText {
        name: "example.rhai".into(),
        source: source.into(),
    }
}

/// A fragment as a whole policy: what a block leaves out stands around it, on its first line.
fn whole(source: &str) -> String {
    if source.contains("fn decide") {
        return source.to_owned();
    }
    format!(
        "fn decide(service) {{ let active = service.active; let primary = service.primary; {source}\n}}"
    )
}

/// `www` with three targets.
fn world(library: &Library, text: &PolicyText) -> Config {
    config_of(&TARGETS, library, text).0
}

#[test]
fn every_example_survives_its_trials() {
    let blocks = blocks("rhai");
    assert!(blocks.len() >= 12, "{} blocks", blocks.len());
    for (line, source) in blocks {
        let (library, text) = (Library::new(), text(whole(&source)));
        let found = library.candidate(&service(&TARGETS, Params::new()), &text);
        let candidate = found.unwrap_or_else(|found| panic!("README.md:{line}: {}", found[0]));
        assert!(
            candidate.warnings.is_empty(),
            "README.md:{line}: {}",
            candidate.warnings[0]
        );
        let report = trials(&world(&library, &text), &"www".into(), &text, &library);
        assert_eq!(report.faults, [], "README.md:{line}");
        assert!(report.worlds > 15);
    }
}

#[test]
fn the_tests_in_the_reference_pass() {
    let blocks = blocks("toml");
    assert!(blocks.len() >= 2);
    for (line, block) in blocks {
        let stories = config::parse_stories("README.md", &block);
        for story in stories.unwrap_or_else(|found| panic!("README.md:{line}: {}", found[0])) {
            if story.recording.is_some() {
                continue; // There is no recording beside this page.
            }
            let told = tell(&Library::new(), &super::policy("failover.rhai"), &story);
            assert!(told.passed(), "README.md:{line}: {}", told.report(&story));
        }
    }
}

#[test]
fn every_word_of_the_api_is_explained() {
    let reference = read("README.md");
    let definitions = definitions();
    let words = definitions.lines().filter_map(|line| {
        let rest = line
            .strip_prefix("fn get ")
            .or_else(|| line.strip_prefix("fn "))?;
        rest.split_once('(').map(|(word, _)| word)
    });
    let words: Vec<&str> = words.collect();
    assert!(words.len() > 50, "{} words", words.len());
    for word in words {
        let written = ["`", "`.", ".", "`list.", "`text.", "`map."]
            .iter()
            .flat_map(|before| ["`", "("].map(|after| format!("{before}{word}{after}")));
        let found = written.into_iter().any(|form| reference.contains(&form));
        assert!(found, "README.md does not explain `{word}`");
    }
}

#[test]
fn load_errors_are_as_written() {
    let mut wrong = Vec::new();
    for row in table("| written | error |") {
        let decide = if row[0].contains("fn decide") {
            ""
        } else {
            "fn decide(service) { hold(\"x\") }"
        };
        let source = format!("{} {decide}", row[0]);
        let found = Library::new().candidate(&service(&TARGETS, Params::new()), &text(source));
        let found = found.err().unwrap_or_else(|| panic!("{} loads", row[0]));
        if !found.iter().any(|found| found.message == row[1]) {
            wrong.push(format!("{}: {}", row[0], found[0]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn faults_are_as_written() {
    let mut wrong = Vec::new();
    for row in table("| written | fault |") {
        let (library, text) = (Library::new(), text(whole(&row[0])));
        if let Err(found) = library.candidate(&service(&TARGETS, Params::new()), &text) {
            wrong.push(format!("{} is refused: {}", row[0], found[0]));
            continue;
        }
        let config = world(&library, &text);
        let rehearsal = Rehearsal::new(&config, &"www".into(), &text, &library).unwrap();
        let faults = rehearsal.faults();
        if !faults
            .iter()
            .any(|fault| fault.message == row[1] && fault.line == 1)
        {
            wrong.push(format!("{}: {faults:?}", row[0]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn windows_are_known_when_the_table_says_so() {
    let source = "const WINDOW = MINUTE;
        fn decide(service) {
            if service.active.loss(WINDOW) >= 0 { return hold(\"known\"); }
            hold(\"nothing\")
        }";
    for row in table("| interval | window | due | results needed |") {
        let [interval, window, due, needed] = row.as_slice() else {
            panic!("{row:?}")
        };
        let (due, needed): (i64, i64) = (due.parse().unwrap(), needed.parse().unwrap());
        assert_eq!(needed, (due * 8 + 9) / 10, "{row:?}");
        for (results, reason) in [(needed - 1, "nothing"), (needed, "known")] {
            let results = results.max(1);
            let reason = if needed == 1 { "known" } else { reason };
            let seconds = results * interval.trim_end_matches('s').parse::<i64>().unwrap();
            let story = format!(
                "[[test]]\nname = \"n\"\ninterval = \"{interval}\"\nparams = {{ WINDOW = \"{window}\" }}\n\
                 primary = \".*{results}\"\nexpect = [{{ at = \"{seconds}s\", serve = \"primary\", reason = \"{reason}\" }}]\n"
            );
            let story = config::parse_stories("windows", &story).unwrap().remove(0);
            let (library, text) = (Library::new(), text(source.to_owned()));
            load(
                &library,
                &service(&["primary"], story.params.clone()),
                &text,
            );
            let told = run_story(&story, &text, 0, &library);
            assert!(told.passed(), "{row:?}: {:?}", told.failures);
        }
    }
}

#[test]
fn limits_are_as_written() {
    let limit = [
        limits::SOURCE_BYTES,
        usize::try_from(limits::OPERATIONS).unwrap(),
        usize::try_from(limits::RESULTS_PER_OPERATION).unwrap(),
        limits::CALL_LEVELS,
        limits::NESTING,
        limits::VARIABLES,
        limits::FUNCTIONS,
        limits::STRING_BYTES,
        limits::LIST_ITEMS,
        limits::MAP_ENTRIES,
        limits::REMEMBERED,
        limits::KEY_BYTES,
        limits::DIAGNOSTICS,
    ];
    let rows = table("| what | at most |");
    let written: Vec<usize> = rows
        .iter()
        .map(|row| row[1].replace(',', "").parse().unwrap())
        .collect();
    assert_eq!(written, limit);
}

#[test]
fn rails_are_as_written() {
    use sidestep::failover::Rail;
    let rails = [
        Rail::Fault,
        Rail::Freeze,
        Rail::Override,
        Rail::Gone,
        Rail::Isolated,
        Rail::AskingWitnesses,
        Rail::NeverWorse,
        Rail::SwitchBudget,
    ];
    let rows = table("| word | what happened | what to do |");
    let written: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    let words: Vec<String> = rails
        .iter()
        .map(|rail| {
            serde_json::to_value(rail)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(written, words);
}

#[test]
fn reserved_words_are_as_written() {
    let text_of_reference = read("README.md");
    let begin = text_of_reference
        .find("cannot be names of variables: `")
        .unwrap();
    let words = text_of_reference[begin..].split('`').nth(1).unwrap();
    assert!(words.split_whitespace().count() > 40);
    let free = words.split_whitespace().filter(|word| {
        let source = format!("fn decide(service) {{ let {word} = 1; hold(\"x\") }}");
        let found = Library::new().candidate(&service(&TARGETS, Params::new()), &text(source));
        found.is_ok()
    });
    assert_eq!(free.collect::<Vec<_>>(), Vec::<&str>::new(), "can be names");
}
