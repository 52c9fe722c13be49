//! `typebus provision`: what services need on a broker, created before any of them runs.

use std::path::PathBuf;

use serde_json::{Value, json};
use typebus::{Config, ErrorKind, Provisioning};

use crate::{
    check::count,
    error::{Error, Exit},
    manifests,
    output::{self, BAD, Format, GOOD, Out, PLACE},
};

/// Create the topics, groups and dead-letter topics of services on a broker
///
/// What is there already stays as it is; where it differs from what is needed, that is a finding. The broker is where
/// TYPEBUS_URL or the configuration says, which may hold a password and is never printed; `?provision=verify` in the URL
/// creates nothing and says what is missing. What belongs to one instance is made by that instance.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files `typebus/<service>.json`, or folders
    #[arg(value_name = "MANIFEST", required = true)]
    manifests: Vec<PathBuf>,

    /// The services' configuration: where the broker is, the prefix, other names of topics, limits
    ///
    /// The environment (TYPEBUS_URL, TYPEBUS_PREFIX, ..) beats it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print what would be created, and contact nobody
    #[arg(long)]
    dry_run: bool,

    /// For whom it is printed
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// # Errors
/// A manifest or the configuration cannot be read or makes no sense, or the broker cannot be reached.
pub(crate) fn run(args: &Args, out: Out<'_>) -> Result<Exit, Error> {
    let manifests = manifests::read(&args.manifests)?;
    let config = configuration(args)?;
    let mut needs = Vec::new();
    for manifest in &manifests {
        let need = Provisioning::new(manifest, &config).map_err(|error| Error::Use(error.to_string()))?;
        needs.push((manifest.service.as_str(), need));
    }
    let mut wrong = Vec::new();
    if !args.dry_run {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        for (service, need) in &needs {
            if let Err(error) = runtime.block_on(need.apply(&config)) {
                wrong.push((*service, broker_says(service, &error)?));
            }
        }
    }
    match args.format {
        Format::Json => {
            let services: Value =
                needs.iter().map(|(service, need)| as_json(service, need, &wrong)).collect();
            let all = json!({"services": services, "dry_run": args.dry_run});
            out.write_all(output::pretty(&all).as_bytes())?;
        }
        Format::Text => as_text(args, &needs, &wrong, out)?,
    }
    Ok(if wrong.is_empty() { Exit::Fine } else { Exit::Findings })
}

fn configuration(args: &Args) -> Result<Config, Error> {
    let file = match &args.config {
        None => Config::new(),
        Some(file) => Config::from_toml_file(file).map_err(|error| Error::File(error.to_string()))?,
    };
    let environment = Config::from_env().map_err(|error| Error::Use(error.to_string()))?;
    Ok(file.merge(environment))
}

/// What is there and differs is a finding; without a broker, or without the right to, the work is not done.
fn broker_says(service: &str, error: &typebus::Error) -> Result<String, Error> {
    match error.kind() {
        ErrorKind::Topology => Ok(error.to_string()),
        ErrorKind::Config => Err(Error::Use(needs_feature(&error.to_string()))),
        kind => Err(Error::File(format!("{service} is not provisioned: {error}{}", advice(kind)))),
    }
}

/// What to do, where the broker does not say it.
const fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Connect | ErrorKind::Timeout => {
            "; start the broker, or say where it is: TYPEBUS_URL, or `url` in the configuration"
        }
        ErrorKind::Authentication => "; TYPEBUS_URL, or the configuration, says as whom to log in",
        ErrorKind::Permission => "; let this user create topics and groups, or run it as one who may",
        _ => "",
    }
}

/// The library's advice is for programs.
fn needs_feature(text: &str) -> String {
    match text.split_once("; turn it on: `cargo add typebus --features ") {
        Some((what, feature)) => {
            let feature = feature.split('`').next().unwrap_or_default();
            format!(
                "{what} of this command; install it with: `cargo install typebus-cli --features {feature}`"
            )
        }
        None => text.to_owned(),
    }
}

fn as_text(
    args: &Args,
    needs: &[(&str, Provisioning)],
    wrong: &[(&str, String)],
    out: Out<'_>,
) -> Result<(), Error> {
    for (service, need) in needs {
        writeln!(out, "{PLACE}{service}{PLACE:#}")?;
        for topic in need.topics() {
            writeln!(out, "  publishes on {topic}")?;
        }
        for (group, topic) in need.groups() {
            writeln!(out, "  group {group} of {topic}")?;
        }
        for topic in need.dead_letters() {
            writeln!(out, "  dead letters on {topic}")?;
        }
        for (_, text) in wrong.iter().filter(|(other, _)| other == service) {
            writeln!(out, "  {BAD}differs{BAD:#}: {}", text.replace('\n', "\n  "))?;
        }
    }
    let all = count(needs.len(), "service");
    match (args.dry_run, wrong.len()) {
        (true, _) => writeln!(out, "{all}; nothing was created (--dry-run)")?,
        (false, 0) => writeln!(out, "{GOOD}all of it is there, for {all}{GOOD:#}")?,
        (false, wrong) => writeln!(out, "{BAD}{wrong} of {all} found something else there{BAD:#}")?,
    }
    Ok(())
}

fn as_json(service: &str, need: &Provisioning, wrong: &[(&str, String)]) -> Value {
    let groups: Vec<_> =
        need.groups().map(|(group, topic)| json!({"group": group, "topic": topic})).collect();
    let differs = wrong.iter().find(|(other, _)| *other == service).map(|(_, text)| text);
    json!({
        "service": service,
        "topics": need.topics().collect::<Vec<_>>(),
        "groups": groups,
        "dead_letters": need.dead_letters().collect::<Vec<_>>(),
        "differs": differs,
    })
}
