//! `typebus graph`: who publishes what where, and who handles it, as a picture.

mod dot;
mod json;
mod layout;
mod mermaid;
mod svg;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use clap::ValueEnum;
use typebus::manifest::{HandlerContract, Manifest};

use crate::{
    catalog::Catalog,
    error::{Error, Exit},
    manifests,
    output::{self, Out},
    topics,
};

/// Draw who publishes what where, and who handles it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files `typebus/<service>.json`, or folders
    #[arg(value_name = "MANIFEST", required = true)]
    manifests: Vec<PathBuf>,

    /// For what it is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Show where dead letters go, too
    #[arg(long)]
    dead_letters: bool,

    /// Write it into this file instead of printing it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// For Markdown, as GitHub and others show it
    #[default]
    Mermaid,
    /// For Graphviz
    Dot,
    /// A picture that needs nothing else, light and dark
    Svg,
    /// Its nodes and edges, for programs; notes and errors on stderr too
    Json,
}

/// # Errors
/// A manifest cannot be read, or the file not be written.
pub(crate) fn run(args: &Args, out: Out<'_>) -> Result<Exit, Error> {
    let manifests = manifests::read(&args.manifests)?;
    let graph = Graph::of(&manifests, args.dead_letters);
    let text = match args.format {
        Format::Mermaid => mermaid::write(&graph),
        Format::Dot => dot::write(&graph),
        Format::Svg => svg::write(&graph),
        Format::Json => json::write(&graph),
    };
    output::write(&text, args.output.as_deref(), out)?;
    Ok(Exit::Fine)
}

/// The picture for a page: it has the page's style.
pub(crate) fn inline(manifests: &[Manifest]) -> String {
    svg::write_inline(&Graph::of(manifests, false))
}

/// What there is to draw; everything is sorted by name.
#[derive(Debug)]
struct Graph<'a> {
    services: Vec<Service<'a>>,
    topics: Vec<Topic<'a>>,
    /// Topics of dead letters, where these are asked for.
    dead_letters: Vec<&'a str>,
}

#[derive(Debug)]
struct Service<'a> {
    name: &'a str,
    /// Events that the program itself publishes.
    publishes: Vec<Event>,
    handlers: Vec<Handler<'a>>,
}

#[derive(Debug)]
struct Handler<'a> {
    name: &'a str,
    group: &'a str,
    handles: Vec<Handled>,
    publishes: Vec<Event>,
    /// Which of the dead letters' topics.
    dead_letter: Option<usize>,
}

/// A topic, and the events on it that somebody publishes or handles.
#[derive(Debug)]
struct Topic<'a> {
    name: &'a str,
    kinds: Vec<&'a str>,
}

/// An event by the places of its topic and of itself there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    topic: usize,
    kind: usize,
}

/// What leads from one node to another, by their names.
#[derive(Debug)]
struct Edge<'a> {
    from: String,
    to: String,
    /// None where it is whatever comes.
    events: Vec<&'a str>,
    /// Goes to a topic of dead letters.
    is_dead: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Handled {
    Event(Event),
    /// Whatever comes on a topic.
    All(usize),
}

impl<'a> Graph<'a> {
    fn of(manifests: &'a [Manifest], with_dead_letters: bool) -> Self {
        let catalog = Catalog::new(manifests);
        catalog.disagreements.iter().for_each(|text| output::note(text));
        let topics = topics(manifests, &catalog);
        let handlers = || manifests.iter().flat_map(|manifest| manifest.handlers.values());
        let dead_letters: BTreeSet<_> =
            handlers().filter_map(|handler| handler.dead_letter.as_deref()).collect();
        let dead_letters: Vec<_> = dead_letters.into_iter().filter(|_| with_dead_letters).collect();
        let service = |manifest: &'a Manifest| Service {
            name: &manifest.service,
            publishes: events(&manifest.publishes, &topics),
            handlers: manifest
                .handlers
                .iter()
                .map(|(name, handler)| Handler {
                    name,
                    group: &handler.group,
                    handles: handled(handler, &catalog, &topics),
                    publishes: events(&handler.publishes, &topics),
                    dead_letter: dead_letters
                        .iter()
                        .position(|topic| Some(*topic) == handler.dead_letter.as_deref()),
                })
                .collect(),
        };
        Self { services: manifests.iter().map(service).collect(), topics, dead_letters }
    }

    fn kind(&self, event: Event) -> &'a str {
        self.topics[event.topic].kinds[event.kind]
    }

    /// Service by service, and of each what it publishes, and what each handler takes and publishes.
    fn edges(&self) -> Vec<Edge<'a>> {
        let topic = |topic: usize| id("t", &[self.topics[topic].name]);
        let live = |from, to, events| Edge { from, to, events, is_dead: false };
        let mut edges = Vec::new();
        for service in &self.services {
            let from = || id("p", &[service.name]);
            let published = self.by_topic(service.publishes.iter().copied());
            edges.extend(published.into_iter().map(|(to, events)| live(from(), topic(to), events)));
            for handler in &service.handlers {
                let own = || id("h", &[service.name, handler.name]);
                let taken = self.handled_by_topic(handler);
                edges.extend(taken.into_iter().map(|(from, events)| live(topic(from), own(), events)));
                let published = self.by_topic(handler.publishes.iter().copied());
                edges.extend(published.into_iter().map(|(to, events)| live(own(), topic(to), events)));
                edges.extend(handler.dead_letter.map(|to| {
                    let to = id("d", &[self.dead_letters[to]]);
                    Edge { from: own(), to, events: Vec::new(), is_dead: true }
                }));
            }
        }
        edges
    }

    /// The events, by topic.
    fn by_topic(&self, events: impl IntoIterator<Item = Event>) -> BTreeMap<usize, Vec<&'a str>> {
        let mut topics: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for event in events {
            topics.entry(event.topic).or_default().push(self.kind(event));
        }
        topics
    }

    /// What a handler takes, by topic; whatever comes is nothing by name.
    fn handled_by_topic(&self, handler: &Handler<'a>) -> BTreeMap<usize, Vec<&'a str>> {
        let events = handler.handles.iter().filter_map(|handled| match handled {
            Handled::Event(event) => Some(*event),
            Handled::All(_) => None,
        });
        let mut topics = self.by_topic(events);
        topics.extend(handler.handles.iter().filter_map(|handled| match handled {
            Handled::All(topic) => Some((*topic, Vec::new())),
            Handled::Event(_) => None,
        }));
        topics
    }
}

/// With the events that are published or handled; an older version that nobody publishes any more is history.
fn topics<'a>(manifests: &'a [Manifest], catalog: &Catalog<'a>) -> Vec<Topic<'a>> {
    let published = manifests.iter().flat_map(Manifest::all_published);
    let handlers = || manifests.iter().flat_map(|manifest| manifest.handlers.values());
    let handled = handlers().flat_map(|handler| &handler.events).map(String::as_str);
    let mut topics: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for kind in published.chain(handled) {
        if let Some((kind, event)) = catalog.events.get_key_value(kind) {
            topics.entry(&event.topic).or_default().insert(kind);
        }
    }
    // A handler of whatever comes may listen where nobody is known to publish.
    let patterns = handlers().filter(|handler| handler.takes_any()).flat_map(|handler| &handler.topics);
    let unknown: Vec<_> =
        patterns.filter(|pattern| !topics.keys().any(|topic| topics::takes(pattern, topic))).collect();
    topics.extend(unknown.into_iter().map(|pattern| (pattern.as_str(), BTreeSet::new())));
    topics.into_iter().map(|(name, kinds)| Topic { name, kinds: kinds.into_iter().collect() }).collect()
}

fn find(kind: &str, topics: &[Topic<'_>]) -> Option<Event> {
    topics.iter().enumerate().find_map(|(topic, it)| {
        Some(Event { topic, kind: it.kinds.iter().position(|known| *known == kind)? })
    })
}

fn events(kinds: &[String], topics: &[Topic<'_>]) -> Vec<Event> {
    let mut events: Vec<_> = kinds.iter().filter_map(|kind| find(kind, topics)).collect();
    events.sort_unstable();
    events
}

/// Older versions that somebody still publishes are handled too.
fn handled(handler: &HandlerContract, catalog: &Catalog<'_>, topics: &[Topic<'_>]) -> Vec<Handled> {
    if handler.takes_any() {
        let is_taken = |topic: &Topic<'_>| {
            handler.topics.iter().any(|pattern| pattern == topic.name || topics::takes(pattern, topic.name))
        };
        let taken = topics.iter().enumerate().filter(|(_, topic)| is_taken(topic));
        return taken.map(|(nth, _)| Handled::All(nth)).collect();
    }
    let taken = catalog.accepted(&handler.events).into_iter().filter_map(|kind| find(kind, topics));
    let mut taken: Vec<_> = taken.map(Handled::Event).collect();
    taken.sort_unstable();
    taken
}

/// Names for nodes, in which nothing has a meaning.
fn id(prefix: &str, parts: &[&str]) -> String {
    let mut id = prefix.to_owned();
    for part in parts {
        id.push('_');
        // What is replaced keeps different names different.
        for c in part.chars() {
            match c {
                'a'..='z' | 'A'..='Z' | '0'..='9' => id.push(c),
                '.' => id.push('_'),
                '_' => id.push_str("__"),
                other => id.push_str(&format!("_{:x}_", u32::from(other))),
            }
        }
    }
    id
}
