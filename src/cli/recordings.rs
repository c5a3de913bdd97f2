//! `sidestep export`, `import` and `synth`: journals, files and made-up outages as recordings.

use super::{
    Outcome,
    arguments::{ExportArguments, ImportArguments, SynthArguments},
    complain,
    log::{ahead_ms, gone, now},
};
use crate::{
    config,
    model::{Diagnostic, Timestamp},
    recording::{Notes, Writer},
    replay::{
        export::{self, ExportError, Exported, Wanted},
        import, synth as made_up,
    },
};
use std::{
    fs,
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

/// Writes a journal as a recording.
pub(super) fn export(arguments: &ExportArguments) -> Outcome {
    let folder = data_folder(&arguments.config)?;
    let now = now();
    let since = arguments.since.map(|when| when.at(now));
    let until = arguments.until.map(|when| when.at(now));
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        let why = "--since is not before --until: nothing can be between them";
        return Err(why.to_owned().into());
    }
    // What is asked for is wall time, the journal is in the fold's: rather too much than too little.
    let ahead_ms = ahead_ms(&folder)?;
    let wanted = Wanted {
        service: arguments.service.as_deref().map(Into::into),
        since: since.map(|at| at.min(at.minus_ms(ahead_ms))),
        until: until.map(|at| at.max(at.minus_ms(ahead_ms))),
    };
    let Some(path) = &arguments.output else {
        let out = BufWriter::with_capacity(256 << 10, io::stdout().lock());
        let written = export::export(&folder, &wanted, |header| Writer::new(out, header));
        let flushed = written.and_then(|(writer, _)| Ok(writer.finish().map(drop)?));
        return match flushed {
            Ok(()) => Ok(()),
            Err(ExportError::Out(error)) => gone(&error),
            Err(ExportError::Journal(why)) => Err(why.into()),
        };
    };
    let written = export::export(&folder, &wanted, |header| Writer::create(path, header));
    let kept = written.and_then(|(writer, exported)| {
        writer.finish()?.keep()?;
        Ok(exported)
    });
    match kept {
        Ok(exported) => {
            complain(&said(path, exported));
            Ok(())
        }
        Err(ExportError::Out(error)) => Err(unwritten(path, &error)),
        Err(ExportError::Journal(why)) => Err(why.into()),
    }
}

fn said(path: &Path, exported: Exported) -> String {
    let (path, events) = (path.display(), exported.events);
    match exported.states {
        0 => format!("{path}: {events} events"),
        1 => format!("{path}: {events} events after a state"),
        states => format!("{path}: {events} events, {states} states"),
    }
}

/// Reads a recording into a new journal.
pub(super) fn import(arguments: &ImportArguments) -> Outcome {
    let folder = match &arguments.data {
        Some(folder) => folder.clone(),
        None => data_folder(&arguments.config)?,
    };
    let reading = arguments.reading.reading();
    let imported = import::import(&arguments.file, &reading, &folder)?;
    let (file, shown) = (arguments.file.display(), folder.display());
    let (events, seen) = (imported.events, imported.observations);
    let between = match imported.between {
        Some((since, until)) => format!(", {since} to {until}"),
        None => String::new(),
    };
    super::print(&format!(
        "{file}: {events} events, {seen} of them observations{between}, are in {shown}\n"
    ))?;
    noticed(&imported.notes);
    Ok(())
}

/// Says what was noticed while a recording was read.
fn noticed(notes: &Notes) {
    if let Some(torn) = &notes.torn {
        complain(&format!("the last line was dropped: {torn}"));
    }
    if notes.clamped > 0 {
        let (times, most) = (notes.clamped, notes.clamped_most_ms);
        complain(&format!(
            "time ran backwards {times} times, by {most} ms at the most: these count as the line before"
        ));
    }
    for (kind, lines) in &notes.unknown_kinds {
        complain(&format!(
            "{lines} lines of a kind that this sidestep does not know were left out: {kind}"
        ));
    }
    for (why, lines) in &notes.left_out {
        complain(&format!("{lines} left out: {why}"));
    }
}

/// Makes the recording of a scenario.
pub(super) fn synth(arguments: &SynthArguments) -> Outcome {
    let (file, path) = (&arguments.scenario, &arguments.output);
    let text = fs::read_to_string(file)
        .map_err(|error| format!("{}: cannot be read: {error}", file.display()))?;
    let scenario =
        config::scenario(&file.display().to_string(), &text).map_err(|found| told(&found))?;
    let written = Writer::create(path, &made_up::header(&scenario)).and_then(|mut writer| {
        let mut events = 0_u64;
        for event in made_up::events(&scenario) {
            writer.event(&event)?;
            events += 1;
        }
        writer.finish()?.keep()?;
        Ok(events)
    });
    match written {
        Ok(events) => {
            let until: Timestamp = scenario.start.plus_ms(scenario.length_ms);
            let (path, start) = (path.display(), scenario.start);
            complain(&format!("{path}: {events} events, {start} to {until}"));
            Ok(())
        }
        Err(error) => Err(unwritten(path, &error)),
    }
}

/// Everything that is wrong with a file, one finding after the other.
fn told(found: &[Diagnostic]) -> String {
    let found: Vec<String> = found.iter().map(Diagnostic::to_string).collect();
    found.join("\n")
}

fn unwritten(path: &Path, error: &io::Error) -> super::Failed {
    format!("{}: cannot be written: {error}", path.display()).into()
}

fn data_folder(config: &Path) -> Result<PathBuf, String> {
    let text = config::read(config).map_err(|found| found.to_string())?;
    Ok(config::data_folder(config, &text))
}
