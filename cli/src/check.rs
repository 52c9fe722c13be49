//! `typebus check`: what is wrong among services.

use std::{collections::BTreeSet, path::PathBuf};

use serde_json::{Value, json};
use typebus::manifest::{self, Beyond, Finding};

use crate::{
    catalog::Catalog,
    error::{Error, Exit},
    manifests,
    output::{self, BAD, Format, GOOD, Out},
};

/// Check services against each other
///
/// What is found: `name-clash` (two services of one name, an event that is two things, topics that Kafka cannot keep
/// apart), `group-clash` (services that share a group, or answer one request), `reader-behind` (a version or a schema
/// that a reader does not know), `dead-handler` (nobody publishes what it waits for), `orphan-event` (nobody handles
/// it), and `cycle` (an event leads to itself). An event is `order.placed.v2`, or a name for its newest version.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files `typebus/<service>.json`, or folders
    #[arg(value_name = "MANIFEST", required = true)]
    manifests: Vec<PathBuf>,

    /// Somebody else publishes it; may be given more than once
    #[arg(long, value_name = "EVENT")]
    from_outside: Vec<String>,

    /// Somebody else handles it; may be given more than once
    #[arg(long, value_name = "EVENT")]
    to_outside: Vec<String>,

    /// It may lead to itself, since something ends that; may be given more than once
    #[arg(long, value_name = "EVENT")]
    may_repeat: Vec<String>,

    /// For whom findings are printed
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// # Errors
/// A manifest cannot be read, or an event is not known.
pub(crate) fn run(args: &Args, out: Out<'_>) -> Result<Exit, Error> {
    let manifests = manifests::read(&args.manifests)?;
    let catalog = Catalog::new(&manifests);
    let kinds = |names: &[String]| -> Result<BTreeSet<String>, Error> {
        names.iter().map(|name| Ok(catalog.find(name)?.kind())).collect()
    };
    let beyond = Beyond {
        from_outside: kinds(&args.from_outside)?,
        to_outside: kinds(&args.to_outside)?,
        may_repeat: kinds(&args.may_repeat)?,
    };
    let findings = manifest::check(&manifests, &beyond);
    match args.format {
        Format::Json => {
            let findings: Value = findings.iter().map(as_json).collect();
            let services: Vec<_> = manifests.iter().map(|manifest| &manifest.service).collect();
            let all = json!({"services": services, "events": catalog.events.len(), "findings": findings});
            out.write_all(output::pretty(&all).as_bytes())?;
        }
        Format::Text => {
            for Finding { rule, what, advice, .. } in &findings {
                writeln!(out, "{BAD}{}{BAD:#}: {what}\n  {advice}", rule.as_str())?;
            }
            let seen =
                format!("{} and {}", count(manifests.len(), "service"), count(catalog.events.len(), "event"));
            match findings.len() {
                0 => writeln!(out, "{GOOD}{seen} fit together{GOOD:#}")?,
                found => writeln!(out, "{BAD}{} in {seen}{BAD:#}", count(found, "finding"))?,
            }
        }
    }
    Ok(if findings.is_empty() { Exit::Fine } else { Exit::Findings })
}

fn as_json(finding: &Finding) -> Value {
    let Finding { rule, subject, services, what, advice, .. } = finding;
    json!({
        "rule": rule.as_str(),
        "subject": subject,
        "services": services,
        "what": what,
        "advice": advice,
    })
}

/// `1 event`, `2 events`
pub(crate) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
