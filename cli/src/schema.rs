//! `typebus schema`: the JSON Schema of every event, and of a manifest itself.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Map, Value, json};
use typebus::manifest::EventContract;

use crate::{
    catalog::Catalog,
    error::{Error, Exit},
    manifests,
    output::{self, Format, Out},
};

/// The JSON Schema of the format of manifests.
const OF_MANIFESTS: &str = include_str!("schema/manifest.json");

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Write the JSON Schema of every event in every version
///
/// Each is of draft 2020-12 and has an `$id`. What answers a request has one too, `shipping.quote.v1.reply`. An event
/// whose payload another codec writes, as Protobuf, has none.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files `typebus/<service>.json`, or folders
    #[arg(value_name = "MANIFEST", required_unless_present = "manifest")]
    manifests: Vec<PathBuf>,

    /// Write a file for each into this folder, `order.placed.v2.json`
    ///
    /// Without it one JSON object is printed, which has each schema by the event's name and version.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Print the schema of this event alone: `order.placed.v2`, or a name for its newest version
    #[arg(long, value_name = "EVENT", conflicts_with = "output")]
    event: Option<String>,

    /// Where the files will be found: the `$id` is this, `/`, and the name of the file; else `urn:typebus:order.placed.v2`
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,

    /// Print the JSON Schema of the format of manifests instead, for editors and for whoever reads them
    #[arg(long, conflicts_with_all = ["manifests", "output", "event", "base_url"])]
    manifest: bool,

    /// How is printed what was written; schemas are JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// # Errors
/// A manifest cannot be read, a file not be written, or no event is of this name.
pub(crate) fn run(args: &Args, out: Out<'_>) -> Result<Exit, Error> {
    if args.manifest {
        out.write_all(OF_MANIFESTS.as_bytes())?;
        return Ok(Exit::Fine);
    }
    let manifests = manifests::read(&args.manifests)?;
    let catalog = Catalog::new(&manifests);
    catalog.disagreements.iter().for_each(|text| output::note(text));
    if let Some(event) = &args.event {
        let event = catalog.find(event)?;
        let schema = of_event(event).ok_or_else(|| {
            Error::Use(format!("{} has no JSON Schema: its payload is {}", event.kind(), event.content_type))
        })?;
        let schema = document(&event.kind(), schema, args.base_url.as_deref());
        out.write_all(output::pretty(&schema).as_bytes())?;
        return Ok(Exit::Fine);
    }
    let schemas = all(&catalog, args.base_url.as_deref());
    match &args.output {
        None => out.write_all(output::pretty(&json!(schemas)).as_bytes())?,
        Some(folder) => {
            let mut written = Vec::new();
            for (name, schema) in &schemas {
                let file = folder.join(format!("{name}.json"));
                output::save(&output::pretty(schema), &file)?;
                written.push(file);
            }
            match args.format {
                Format::Text => writeln!(out, "{} schemas written to {}", written.len(), folder.display())?,
                Format::Json => out.write_all(output::pretty(&json!({"written": written})).as_bytes())?,
            }
        }
    }
    Ok(Exit::Fine)
}

/// By the names of their files.
fn all(catalog: &Catalog<'_>, base_url: Option<&str>) -> BTreeMap<String, Value> {
    let mut schemas = BTreeMap::new();
    for (kind, event) in &catalog.events {
        match of_event(event) {
            Some(schema) => drop(schemas.insert((*kind).to_owned(), schema)),
            None => output::note(&format!("{kind} is {}: it has no JSON Schema", event.content_type)),
        }
        if let Some(reply) = &event.reply {
            schemas.insert(format!("{kind}.reply"), reply.schema.clone());
        }
    }
    schemas.iter_mut().for_each(|(name, schema)| *schema = document(name, schema.take(), base_url));
    schemas
}

/// With what the event's own documentation says where the type's says nothing.
fn of_event(event: &EventContract) -> Option<Value> {
    let mut schema = event.schema.clone()?;
    if let (Some(fields), Some(description)) = (schema.as_object_mut(), &event.description) {
        fields.entry("description").or_insert_with(|| json!(description));
    }
    Some(schema)
}

/// A schema that stands alone.
fn document(name: &str, schema: Value, base_url: Option<&str>) -> Value {
    let mut fields = match schema {
        Value::Object(fields) => fields,
        // `true` takes everything; neither of the two has room for an `$id`.
        Value::Bool(false) => Map::from_iter([("not".to_owned(), json!({}))]),
        _ => Map::new(),
    };
    let id = match base_url {
        None => format!("urn:typebus:{name}"),
        Some(base) => format!("{}/{name}.json", base.trim_end_matches('/')),
    };
    fields.insert("$id".to_owned(), json!(id));
    fields.entry("$schema").or_insert_with(|| json!(DRAFT));
    Value::Object(fields)
}
