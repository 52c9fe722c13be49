//! `typebus docs`: one page that shows what services say to each other.
//!
//! It holds everything that it needs, and its Content-Security-Policy lets it load nothing else: it can be opened from
//! a file, mailed, or served by whatever serves files.

mod bounds;
mod event;
mod json;
mod markdown;
mod policy;
mod service;
mod shape;
mod system;
#[cfg(test)]
mod tests;
mod topics;
mod types;
mod words;

use std::path::PathBuf;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use typebus::manifest::Manifest;

use self::{
    shape::Marks,
    system::{Event, System},
    types::Type,
};
use crate::{
    error::{Error, Exit},
    graph, manifests,
    output::{self, Format, Out},
};

/// Write one self-contained HTML page: services, events with schemas and examples, topics, and who tells whom
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files `typebus/<service>.json`, or folders
    #[arg(value_name = "MANIFEST", required = true)]
    manifests: Vec<PathBuf>,

    /// Where the page is written, instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// What stands at its head, instead of the services' names
    #[arg(long)]
    title: Option<String>,

    /// How it is printed; in a file it is HTML
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(crate) fn run(args: &Args, out: Out<'_>) -> Result<Exit, Error> {
    let manifests = manifests::read(&args.manifests)?;
    let title = args.title.clone().unwrap_or_else(|| title(&manifests));
    let page = page(&manifests, &title);
    match &args.output {
        Some(file) => output::save(&page, file)?,
        None => output::print(&page, args.format, out)?,
    }
    Ok(Exit::Fine)
}

/// The page; the same text for the same manifests.
pub(crate) fn page(manifests: &[Manifest], title: &str) -> String {
    let system = System::new(manifests);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                link rel="icon" href=(ICON);
                style { (PreEscaped(STYLE)) }
                script { (PreEscaped(SCRIPT)) }
            }
            "\n"
            body {
                a.skip href="#main" { "Skip to the contents" }
                header.top {
                    a.brand href="#" { (title) }
                    div.search role="search" hidden {
                        input #search type="search" placeholder="Search events, fields, topics …" autocomplete="off"
                            spellcheck="false" aria-keyshortcuts="/"
                            aria-label="Search services, events, fields, topics and handlers";
                        kbd aria-hidden="true" { "/" }
                    }
                    button #theme type="button" hidden { "Dark" }
                }
                "\n"
                div.layout {
                    (contents(&system))
                    "\n"
                    main #main tabindex="-1" { (sections(&system, title)) }
                }
            }
        }
    }
    .into_string()
        + "\n"
}

const STYLE: &str = include_str!("docs/page.css");
const SCRIPT: &str = include_str!("docs/page.js");

/// Their SHA-256, in base64. A test compares.
const STYLE_HASH: &str = include_str!("docs/page.css.sha256");
const SCRIPT_HASH: &str = include_str!("docs/page.js.sha256");

/// One dot that tells two others.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
                    %3Cpath d='M3 8l10-4M3 8l10 4' stroke='%232f6f8f' stroke-width='1.5'/%3E\
                    %3Cg fill='%232f6f8f'%3E%3Ccircle cx='3' cy='8' r='2.5'/%3E\
                    %3Ccircle cx='13' cy='4' r='2.5'/%3E%3Ccircle cx='13' cy='12' r='2.5'/%3E%3C/g%3E%3C/svg%3E";

/// Nothing is loaded, and nothing runs but what is embedded here.
fn policy() -> String {
    let (style, script) = (STYLE_HASH.trim_end(), SCRIPT_HASH.trim_end());
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; img-src data:; base-uri 'none'; \
         form-action 'none'; require-trusted-types-for 'script'"
    )
}

fn title(manifests: &[Manifest]) -> String {
    match manifests {
        [only] => format!("Events of {}", only.service),
        [first @ .., last] if first.len() < 3 => {
            let first: Vec<_> = first.iter().map(|manifest| manifest.service.as_str()).collect();
            format!("Events of {} and {}", first.join(", "), last.service)
        }
        all => format!("Events of {} services", all.len()),
    }
}

fn contents(system: &System<'_>) -> Markup {
    let types = system.types.sorted();
    html! {
        nav.contents aria-label="Contents" {
            div { a.head href="#flow" { "Who tells whom" } }
            (list("services", "Services", system.manifests.iter().map(|manifest| {
                (anchor("service:", &manifest.service), html! { (manifest.service) })
            })))
            (list("events", "Events", system.events.iter().map(|event| {
                (event.id(), event_name(event))
            })))
            (list("topics", "Topics", system.topics.keys().map(|name| (anchor("topic:", name), breakable(name)))))
            @if !types.is_empty() {
                (list("types", "Types", types.iter().map(|found| (found.id.clone(), html! { (found.name) }))))
            }
        }
    }
}

fn list(id: &str, name: &str, entries: impl Iterator<Item = (String, Markup)>) -> Markup {
    html! {
        div {
            a.head href={ "#" (id) } { (name) }
            ul { @for (id, entry) in entries { li { a href={ "#" (id) } { (entry) } } } }
        }
        "\n"
    }
}

fn sections(system: &System<'_>, title: &str) -> Markup {
    let types = system.types.sorted();
    html! {
        div.intro {
            h1 { (title) }
            p.lead {
                (counted(system.manifests.len(), "service")) ", " (counted(system.events.len(), "event")) " on "
                (counted(system.topics.len(), "topic")) ", " (counted(system.groups(), "group")) " that listen"
                @if system.groups() == 1 { "s" } "."
            }
        }
        p #found role="status" {}
        div #nothing hidden {
            p.lead { "Nothing here is called " strong #asked {} "." }
            p { "The search looks at the names of services, handlers, groups, events, fields, values and topics, and at "
                "what is written about them. All words have to be there; parts of words will do." }
            p { button #clear type="button" { "Show everything" } }
        }
        "\n"
        section #flow aria-labelledby="h-flow" {
            h2 #h-flow { "Who tells whom" }
            figure.card.diagram tabindex="0" role="group" aria-labelledby="h-flow" {
                (PreEscaped(graph::inline(system.manifests)))
            }
        }
        "\n"
        section #services aria-labelledby="h-services" {
            h2 #h-services { "Services" }
            @for manifest in system.manifests { (service::card(manifest, system)) }
        }
        section #events aria-labelledby="h-events" {
            div.heading {
                h2 #h-events { "Events" }
                button.fold type="button" hidden { "Open all" }
            }
            @for event in &system.events { (event::card(event, system)) }
        }
        section #topics aria-labelledby="h-topics" {
            h2 #h-topics { "Topics" }
            div.card { (topics::table(system)) }
            @if !system.dead.is_empty() { div.card { (topics::dead(system)) } }
        }
        @if !types.is_empty() {
            section #types aria-labelledby="h-types" {
                h2 #h-types { "Types" }
                p.lead { "What fields consist of: each type once, however many events have it." }
                @for found in types { (type_card(found, system)) }
            }
        }
        footer { p { "Made by " code { "typebus docs" } " of the services’ contracts." } }
    }
}

fn type_card(found: &Type<'_>, system: &System<'_>) -> Markup {
    let words = std::iter::once(found.name.as_str()).chain(found.words.iter().copied());
    let description = found.schema.get("description").and_then(|text| text.as_str());
    html! {
        article.card.type-card id=(found.id) data-what="type" data-find=(found_by(words.chain(description))) {
            h3 { code { (found.name) } }
            @if let Some(text) = description { div.prose { (markdown::render(text)) } }
            (shape::whole(found.schema, &found.links, Marks::default()))
            p.used { span.dim { "In " } @for kind in &found.used_by { (event_link(kind, system)) " " } }
        }
        "\n"
    }
}

/// A name that is broken into lines where its words end.
fn breakable(name: &str) -> Markup {
    html! { @for word in name.split_inclusive(['.', '_', '-']) { (word) wbr; } }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn event_link(kind: &str, system: &System<'_>) -> Markup {
    html! {
        @match system.event(kind) {
            Some(event) => a.chip href={ "#" (event.id()) } { (event_name(event)) }
            None => span.chip { (kind) }
        }
    }
}

fn event_name(event: &Event<'_>) -> Markup {
    let contract = event.known.contract;
    html! { (breakable(&contract.name)) span.version { ".v" (contract.version) } }
}

/// A pattern is for several topics, and has no place of its own.
fn topic_link(topic: &str, system: &System<'_>) -> Markup {
    html! {
        @if system.topics.contains_key(topic) || system.dead.contains_key(topic) {
            a.topic href={ "#" (anchor("topic:", topic)) } { (topic) }
        } @else {
            code.topic { (topic) }
        }
    }
}

fn service_link(service: &str) -> Markup {
    html! { a.service href={ "#" (anchor("service:", service)) } { (service) } }
}

fn handler_link(service: &str, handler: &str) -> Markup {
    let id = anchor("handler:", &format!("{service}/{handler}"));
    html! { a.service href={ "#" (id) } { (service) "/" (handler) } }
}

/// The id of what has this name: whatever the name holds, no two have the same.
fn anchor(prefix: &str, name: &str) -> String {
    let mut id = prefix.to_owned();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/' => id.push(char::from(byte)),
            other => id.push_str(&format!("%{other:02X}")),
        }
    }
    id
}

/// What a search compares with.
fn found_by<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut words = Vec::new();
    for word in texts.into_iter().flat_map(str::split_whitespace).map(str::to_lowercase) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(" ")
}
