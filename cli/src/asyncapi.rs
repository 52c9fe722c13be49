//! `typebus asyncapi`: the services as one AsyncAPI document.

mod channels;
mod form;
mod headers;
mod messages;
mod operations;
mod schemas;
mod server;

use std::{collections::BTreeMap, path::PathBuf};

use clap::ValueEnum;
use serde_json::{Map, Value, json};
use typebus::manifest::Manifest;

use self::{
    channels::Channels,
    schemas::Schemas,
    server::{Broker, Server},
};
use crate::{
    catalog::Catalog,
    error::{Error, Exit},
    manifests,
    output::{self, Ordered, Out},
};

/// The version of AsyncAPI that is written.
const ASYNCAPI: &str = "3.1.0";

/// Write an AsyncAPI document of all services together
///
/// It says what is sent and received where, with schemas and examples, and, for each broker that is named, its bindings
/// and the headers of the envelope there. What AsyncAPI has no words for, as retries and dead letters, stands in fields
/// `x-typebus-..` of the operations.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files `typebus/<service>.json`, or folders
    #[arg(value_name = "MANIFEST", required = true)]
    manifests: Vec<PathBuf>,

    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Where the broker is: kafka://.., amqp://.., nats://.., pulsar://.., as the bus takes it; may be given for several
    ///
    /// Users, passwords and options are not written, but for the name of RabbitMQ's exchange.
    #[arg(long = "server", value_name = "URL")]
    servers: Vec<String>,

    /// Write it into this file instead of printing it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Its title; else the names of the services
    #[arg(long)]
    title: Option<String>,

    /// Its version: that of the system, not of AsyncAPI
    #[arg(long = "version", value_name = "VERSION", default_value = "1.0.0")]
    api_version: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    Yaml,
    #[default]
    Json,
}

/// # Errors
/// A manifest cannot be read, a URL is none of a broker, or the file cannot be written.
pub(crate) fn run(args: &Args, out: Out<'_>) -> Result<Exit, Error> {
    let servers = args.servers.iter().map(|url| Server::read(url)).collect::<Result<Vec<_>, _>>()?;
    let manifests = manifests::read(&args.manifests)?;
    let catalog = Catalog::new(&manifests);
    catalog.disagreements.iter().for_each(|text| output::note(text));
    let title = args.title.clone().unwrap_or_else(|| names(&manifests));
    let document = document(&manifests, &catalog, &servers, &title, &args.api_version);
    let text = match args.format {
        Format::Json => document.to_json()?,
        Format::Yaml => document.to_yaml()?,
    };
    output::write(&text, args.output.as_deref(), out)?;
    Ok(Exit::Fine)
}

fn document(
    manifests: &[Manifest],
    catalog: &Catalog<'_>,
    servers: &[Server],
    title: &str,
    version: &str,
) -> Ordered {
    let context = Context::new(catalog, servers);
    let channels = Channels::of(manifests, catalog);
    let mut parts = vec![
        ("asyncapi", json!(ASYNCAPI)),
        ("info", info(manifests, title, version)),
        ("defaultContentType", json!("application/json")),
    ];
    if !servers.is_empty() {
        parts.push(("servers", Value::Object(named(servers))));
    }
    parts.push(("channels", channels.to_value(&context)));
    parts.push(("operations", operations::of(manifests, &channels, &context)));
    parts.push(("components", components(catalog, &context)));
    Ordered::new(parts)
}

/// What all parts of the document need to know.
struct Context<'a> {
    catalog: &'a Catalog<'a>,
    /// Each once.
    brokers: Vec<Broker>,
    servers: &'a [Server],
}

impl<'a> Context<'a> {
    fn new(catalog: &'a Catalog<'a>, servers: &'a [Server]) -> Self {
        let mut brokers: Vec<_> = servers.iter().map(|server| server.broker).collect();
        brokers.sort_unstable();
        brokers.dedup();
        Self { catalog, brokers, servers }
    }

    /// The first server of a broker.
    fn server(&self, broker: Broker) -> Option<&'a Server> {
        self.servers.iter().find(|server| server.broker == broker)
    }

    /// For each broker, what `binding` says of it.
    fn bindings(&self, binding: impl Fn(Broker) -> Option<Value>) -> Option<Value> {
        let versioned = |broker: Broker, mut value: Value| {
            value["bindingVersion"] = json!(broker.version());
            (broker.binding().to_owned(), value)
        };
        let all: Map<_, _> =
            self.brokers.iter().filter_map(|&broker| Some(versioned(broker, binding(broker)?))).collect();
        (!all.is_empty()).then_some(Value::Object(all))
    }
}

fn info(manifests: &[Manifest], title: &str, version: &str) -> Value {
    let described = |manifest: &Manifest| {
        let text = manifest.description.as_ref()?;
        Some(if manifests.len() == 1 { text.clone() } else { format!("**{}**: {text}", manifest.service) })
    };
    let description = manifests.iter().filter_map(described).collect::<Vec<_>>().join("\n\n");
    let tags: BTreeMap<_, _> =
        manifests.iter().map(|manifest| (&manifest.service, &manifest.description)).collect();
    let tags = tags
        .into_iter()
        .map(|(name, description)| fields([("name", json!(name)), ("description", json!(description))]));
    fields([
        ("title", json!(title)),
        ("version", json!(version)),
        ("description", if description.is_empty() { Value::Null } else { json!(description) }),
        ("tags", tags.collect()),
    ])
}

/// `kafka`, `kafka-2`, ..
fn named(servers: &[Server]) -> Map<String, Value> {
    let mut named = Map::new();
    for server in servers {
        let name = server.broker.name();
        let numbered = (2..).map(|nth: u32| format!("{name}-{nth}"));
        let free = [name.to_owned()].into_iter().chain(numbered).find(|name| !named.contains_key(name));
        named.insert(free.unwrap_or_default(), server.to_value());
    }
    named
}

fn components(catalog: &Catalog<'_>, context: &Context<'_>) -> Value {
    let mut lifted = Vec::new();
    for (kind, event) in &catalog.events {
        lifted.extend(event.schema.as_ref().map(|schema| ((*kind).to_owned(), schema)));
        lifted.extend(event.reply.as_ref().map(|reply| (messages::reply_name(kind), &reply.schema)));
    }
    // Examples are the messages'.
    let payloads: Vec<_> =
        lifted.iter().map(|(name, schema)| (name.clone(), without_examples(schema))).collect();
    let payloads: Vec<_> = payloads.iter().map(|(name, schema)| (name.clone(), schema)).collect();
    let mut schemas: Map<_, _> = Schemas::of(&payloads).into_components().collect();
    schemas.extend(context.brokers.iter().map(|&broker| (headers::name(broker), headers::common(broker))));
    let security: Map<_, _> = context
        .servers
        .iter()
        .filter_map(Server::security)
        .map(|(name, scheme)| (name.to_owned(), scheme))
        .collect();
    fields([
        ("messages", messages::of(context)),
        ("schemas", Value::Object(schemas)),
        ("securitySchemes", if security.is_empty() { Value::Null } else { Value::Object(security) }),
    ])
}

fn without_examples(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("examples");
    }
    schema
}

/// "billing, shipping and storefront"
fn names(manifests: &[Manifest]) -> String {
    let mut names: Vec<_> = manifests.iter().map(|manifest| manifest.service.as_str()).collect();
    names.dedup();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// An object without what is `null`.
fn fields<const N: usize>(fields: [(&str, Value); N]) -> Value {
    fields
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The first paragraph, in one line.
fn summary(text: &str) -> String {
    text.split("\n\n").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The whole text, where the summary is not all of it.
fn longer(text: Option<&str>) -> Value {
    text.filter(|text| text.contains("\n\n")).map_or(Value::Null, |text| json!(text))
}

/// Without the percent signs of a URL.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code =
            after.get(..2).and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        match (first, code) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
