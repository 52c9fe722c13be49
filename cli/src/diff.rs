//! `typebus diff`: what a change of contracts breaks.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde_json::{Value, json};
use typebus::manifest::{Difference, Manifest};

use crate::{
    check::count,
    error::{Error, Exit},
    manifests,
    output::{self, BAD, Format, GOOD, Out, PLACE},
};

/// Say what is different between two states of contracts, and whom each change breaks
///
/// A change breaks `writers` if their messages, sent before or still to come, are not handled any more, and `readers` if
/// they do not understand what the service sends from now on. Services are matched by name. Compatible changes alone are
/// no findings.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A file `typebus/<service>.json` as it was, or a folder
    old: PathBuf,

    /// The same as it is now
    new: PathBuf,

    /// Print only what breaks somebody
    #[arg(long)]
    breaking: bool,

    /// For whom differences are printed
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// A service with its differences; none for one that is only on one side.
type Changed<'a> = (&'a str, Side, Vec<Difference>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Gone,
    New,
    Both,
}

/// # Errors
/// A manifest cannot be read.
pub(crate) fn run(args: &Args, out: Out<'_>) -> Result<Exit, Error> {
    let [old, new] = [&args.old, &args.new].map(|place| manifests::read(std::slice::from_ref(place)));
    let (old, new) = (old?, new?);
    let mut changed = compare(&old, &new);
    for (_, _, differences) in &mut changed {
        differences.retain(|difference| !args.breaking || difference.breaks());
    }
    let breaking =
        changed.iter().flat_map(|(_, _, all)| all).filter(|difference| difference.breaks()).count();
    match args.format {
        Format::Json => {
            let services: Value = changed.iter().map(as_json).collect();
            let all = json!({"services": services, "breaking": breaking});
            out.write_all(output::pretty(&all).as_bytes())?;
        }
        Format::Text => as_text(&changed, breaking, out)?,
    }
    Ok(if breaking == 0 { Exit::Fine } else { Exit::Findings })
}

fn compare<'a>(old: &'a [Manifest], new: &'a [Manifest]) -> Vec<Changed<'a>> {
    // A file beside another one is compared with it, whatever the service is called.
    if let ([old], [new]) = (old, new) {
        return vec![(&new.service, Side::Both, old.diff(new))];
    }
    let by_name = |all: &'a [Manifest]| -> BTreeMap<&'a str, &'a Manifest> {
        all.iter().map(|manifest| (manifest.service.as_str(), manifest)).collect()
    };
    let (old, new) = (by_name(old), by_name(new));
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let changed = names.into_iter().filter_map(|name| match (old.get(name), new.get(name)) {
        (Some(old), Some(new)) => Some((name, Side::Both, old.diff(new))),
        (Some(_), None) => Some((name, Side::Gone, Vec::new())),
        (None, Some(_)) => Some((name, Side::New, Vec::new())),
        (None, None) => None,
    });
    changed.collect()
}

/// Whom a difference breaks, in a word.
fn verdict(difference: &Difference) -> &'static str {
    match (&difference.change.breaks_writers, &difference.change.breaks_readers) {
        (None, None) => "compatible",
        (Some(_), None) => "breaks writers",
        (None, Some(_)) => "breaks readers",
        (Some(_), Some(_)) => "breaks both",
    }
}

fn as_text(changed: &[Changed<'_>], breaking: usize, out: Out<'_>) -> Result<(), Error> {
    for (service, side, differences) in changed {
        match side {
            Side::Gone => writeln!(out, "{PLACE}{service}{PLACE:#}: it is gone")?,
            Side::New => writeln!(out, "{PLACE}{service}{PLACE:#}: it is new")?,
            Side::Both if differences.is_empty() => continue,
            Side::Both => writeln!(out, "{PLACE}{service}{PLACE:#}")?,
        }
        for difference in differences {
            let style = if difference.breaks() { BAD } else { GOOD };
            let text = difference.to_string().replace('\n', "\n  ");
            writeln!(out, "  {style}{}{style:#}: {text}", verdict(difference))?;
        }
    }
    let all: usize = changed.iter().map(|(_, _, differences)| differences.len()).sum();
    match (all, breaking) {
        (all, 0) => writeln!(out, "{GOOD}{}, and nobody is broken{GOOD:#}", count(all, "difference"))?,
        (all, breaking) => {
            writeln!(
                out,
                "{BAD}{}, of which {breaking} would break somebody{BAD:#}",
                count(all, "difference")
            )?;
        }
    }
    Ok(())
}

fn as_json((service, side, differences): &Changed<'_>) -> Value {
    let state = match side {
        Side::Gone => "gone",
        Side::New => "new",
        Side::Both => "compared",
    };
    let differences = differences.iter().map(|difference| {
        let change = &difference.change;
        json!({
            "subject": difference.subject,
            "place": change.place,
            "what": change.what,
            "verdict": verdict(difference).replace(' ', "-"),
            "breaks_writers": change.breaks_writers,
            "breaks_readers": change.breaks_readers,
        })
    });
    json!({"service": service, "state": state, "differences": differences.collect::<Value>()})
}
