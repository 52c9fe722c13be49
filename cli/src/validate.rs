//! `typebus validate`: whether JSON is what an event's schema says.

use std::{fs, io::Read as _, path::PathBuf};

use serde_json::{Value, json};
use typebus::schema;

use crate::{
    catalog::Catalog,
    error::{Error, Exit},
    manifests,
    output::{self, BAD, Format, GOOD, Out, PLACE},
};

/// Say whether JSON is what an event's schema says
///
/// FILE holds one payload, or one in each line (NDJSON). Each place that is wrong is printed with its reason, as
/// `FILE:LINE: /lines/0/quantity: ..`, the line for NDJSON alone.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An event, `order.placed.v2`, or a name for its newest version
    event: String,

    /// A file of JSON or of lines of JSON; `-` is stdin
    file: PathBuf,

    /// Files `typebus/<service>.json`, or folders, where the event is looked for
    #[arg(long = "manifest", value_name = "MANIFEST", num_args = 1.., default_value = ".")]
    manifests: Vec<PathBuf>,

    /// What answers the event, instead of the event
    #[arg(long)]
    reply: bool,

    /// For whom findings are printed
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// A place that is wrong.
#[derive(Debug)]
struct Finding {
    /// From 1; only of lines of JSON.
    line: Option<usize>,
    /// A JSON pointer; empty for the whole.
    place: String,
    why: String,
}

/// # Errors
/// There is no such event or no schema of it, or a file cannot be read or is no JSON.
pub(crate) fn run(args: &Args, out: Out<'_>) -> Result<Exit, Error> {
    let manifests = manifests::read(&args.manifests)?;
    let catalog = Catalog::new(&manifests);
    catalog.disagreements.iter().for_each(|text| output::note(text));
    let event = catalog.find(&args.event)?;
    let kind = event.kind();
    let (name, schema) = if args.reply {
        let reply = event.reply.as_ref().map(|reply| &reply.schema);
        (
            format!("a reply to {kind}"),
            reply.ok_or_else(|| Error::Use(format!("{kind} is no request: nothing answers it")))?,
        )
    } else {
        let none = format!("{kind} has no JSON Schema: its payload is {}", event.content_type);
        (kind, event.schema.as_ref().ok_or(Error::Use(none))?)
    };
    let (shown, text) = read(args)?;
    let checked =
        check(schema, &text).map_err(|wrong| Error::File(format!("{shown} is no JSON: {wrong}")))?;
    match args.format {
        Format::Json => out.write_all(output::pretty(&as_json(&name, &shown, &checked)).as_bytes())?,
        Format::Text => as_text(&name, &shown, &checked, out)?,
    }
    Ok(if checked.findings.is_empty() { Exit::Fine } else { Exit::Findings })
}

/// What it is called, and what is in it.
fn read(args: &Args) -> Result<(String, String), Error> {
    let (shown, text) = if args.file.as_os_str() == "-" {
        let mut text = String::new();
        ("stdin".to_owned(), std::io::stdin().lock().read_to_string(&mut text).map(|_| text))
    } else {
        (args.file.display().to_string(), fs::read_to_string(&args.file))
    };
    match text {
        Ok(text) => Ok((shown, text)),
        Err(error) => Err(Error::File(format!("{shown} cannot be read: {error}"))),
    }
}

#[derive(Debug)]
struct Checked {
    payloads: usize,
    /// How many of them have findings.
    wrong: usize,
    findings: Vec<Finding>,
}

/// As a whole, or line by line where the first line is JSON by itself. A line that is none is a finding among others.
fn check(schema: &Value, text: &str) -> Result<Checked, serde_json::Error> {
    let mut checked = Checked { payloads: 0, wrong: 0, findings: Vec::new() };
    match serde_json::from_str::<Value>(text) {
        Ok(value) => checked.add(None, schema, Ok(value)),
        Err(whole) => {
            let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            for (nth, line) in lines {
                let value = serde_json::from_str::<Value>(line);
                if checked.payloads == 0 && value.is_err() {
                    return Err(whole);
                }
                checked.add(Some(nth + 1), schema, value);
            }
            if checked.payloads == 0 {
                return Err(whole);
            }
        }
    }
    Ok(checked)
}

impl Checked {
    fn add(&mut self, line: Option<usize>, schema: &Value, value: Result<Value, serde_json::Error>) {
        let before = self.findings.len();
        match value {
            Ok(value) => {
                let invalid = schema::validate(schema, &value).into_iter();
                self.findings.extend(invalid.map(|invalid| Finding {
                    line,
                    place: invalid.place,
                    why: invalid.why,
                }));
            }
            Err(wrong) => {
                // The line is ours; of the parser's own place only the column is true.
                let why = match wrong.to_string().split_once(" at line ") {
                    Some((why, _)) => format!("no JSON: {why} at column {}", wrong.column()),
                    None => format!("no JSON: {wrong}"),
                };
                self.findings.push(Finding { line, place: String::new(), why });
            }
        }
        self.payloads += 1;
        self.wrong += usize::from(self.findings.len() > before);
    }
}

fn as_text(name: &str, shown: &str, checked: &Checked, out: Out<'_>) -> Result<(), Error> {
    for Finding { line, place, why } in &checked.findings {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        let place = if place.is_empty() { String::new() } else { format!(" {place}:") };
        writeln!(out, "{PLACE}{shown}{line}:{place}{PLACE:#} {why}")?;
    }
    match (checked.payloads, checked.wrong) {
        (1, 0) => writeln!(out, "{GOOD}{shown} is {name}{GOOD:#}")?,
        (all, 0) => writeln!(out, "{GOOD}all {all} in {shown} are {name}{GOOD:#}")?,
        (1, _) => writeln!(out, "{BAD}{shown} is not {name}{BAD:#}")?,
        (all, wrong) => writeln!(out, "{BAD}{wrong} of {all} in {shown} are not {name}{BAD:#}")?,
    }
    Ok(())
}

fn as_json(name: &str, shown: &str, checked: &Checked) -> Value {
    let findings = checked.findings.iter().map(|finding| {
        let mut value = json!({"place": finding.place, "why": finding.why});
        if let Some(line) = finding.line {
            value["line"] = json!(line);
        }
        value
    });
    json!({
        "event": name,
        "file": shown,
        "payloads": checked.payloads,
        "wrong": checked.wrong,
        "findings": findings.collect::<Value>(),
    })
}
