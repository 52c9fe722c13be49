//! An event: what it says, who publishes it and who handles it.

use std::collections::BTreeSet;

use maud::{Markup, html};
use serde_json::Value;
use typebus::manifest::EventContract;

use super::{
    event_link, found_by, handler_link, json, markdown, policy, service_link,
    shape::{self, Marks},
    system::{Event, Known, System, own_id},
    topic_link,
};

pub(super) fn card(event: &Event<'_>, system: &System<'_>) -> Markup {
    let contract = event.known.contract;
    html! {
        article.card.event id=(event.id()) data-what="event" data-find=(words(event)) {
            details {
                summary {
                    h3 { code { (contract.name) span.version { ".v" (contract.version) } } }
                    @if contract.reply.is_some() { " " span.mark { "request" } }
                    @if !event.newer.is_empty() { " " span.mark.old { "older version" } }
                    @if !event.others.is_empty() { " " span.mark.bad { "services disagree" } }
                    @if let Some(text) = &contract.description { p.lead { (markdown::first_line(text)) } }
                    p.flow { (flow(event)) }
                }
                div.body {
                    (about(&event.known, event, system, 0))
                    @for (nth, other) in event.others.iter().enumerate() {
                        div.part.bad {
                            h4 {
                                "As " (and(&other.services)) " "
                                @if other.services.len() == 1 { "knows it" } @else { "know it" }
                            }
                            p {
                                "What is published is what stands above. "
                                code { "typebus check" } " says what that means."
                            }
                            (about(other, event, system, nth + 1))
                        }
                    }
                }
            }
        }
        "\n"
    }
}

/// `storefront → billing, shipping`
fn flow(event: &Event<'_>) -> Markup {
    let publishers: BTreeSet<_> = event.publishers.iter().map(|(service, _)| *service).collect();
    let handlers: BTreeSet<_> = event.handlers.iter().map(|handler| handler.service).collect();
    let names = |services: &BTreeSet<&str>, none: &str| {
        html! {
            @if services.is_empty() { span.dim { (none) } }
            @for (nth, service) in services.iter().enumerate() { @if nth > 0 { ", " } span.service { (service) } }
        }
    };
    html! {
        @if !event.newer.is_empty() && publishers.is_empty() && handlers.is_empty() {
            span.dim { "read as " (event.newer.join(", ")) }
        } @else {
            (names(&publishers, "nobody here")) span.arrow aria-label=" to " role="img" { "→" }
            (names(&handlers, "nobody here"))
        }
    }
}

/// Everything that some services know of it.
fn about(known: &Known<'_>, event: &Event<'_>, system: &System<'_>, nth: usize) -> Markup {
    let contract = known.contract;
    let examples: Vec<_> = contract.examples().collect();
    html! {
        @if let Some(text) = &contract.description { div.prose { (markdown::render(text)) } }
        (facts(contract, event, system))
        @if nth == 0 { (published(event)) (handled(event, system)) }
        @match &known.payload {
            Some(payload) => {
                h4 {
                    @if contract.reply.is_some() { "Request" } @else { "Payload" }
                    @let title = payload.schema.get("title").and_then(Value::as_str);
                    @if let Some(title) = title { " " code { (title) } }
                }
                @let marks = Marks { key: contract.key.as_deref(), id: contract.id.as_deref() };
                (shape::whole(payload.schema, &payload.links, marks))
            }
            None => {
                h4 { "Payload" }
                p { "What is in it, another schema than JSON’s says: " code { (contract.content_type) } "." }
            }
        }
        @if let (Some(reply), Some(shape)) = (&contract.reply, &known.reply) {
            div id=(own_id(event.kind, nth, "reply")) {
                h4 { "Reply " code { (reply.name) } }
                @if let Some(text) = shape.schema.get("description").and_then(Value::as_str) {
                    div.prose { (markdown::render(text)) }
                }
                (shape::whole(shape.schema, &shape.links, Marks::default()))
            }
        }
        @if !examples.is_empty() {
            h4 { @if examples.len() == 1 { "Example" } @else { "Examples" } }
            @for example in examples {
                figure.example { pre tabindex="0" { code { (json::render(example)) } } } "\n"
            }
        }
    }
}

fn facts(contract: &EventContract, event: &Event<'_>, system: &System<'_>) -> Markup {
    html! {
        dl.facts {
            div { dt { "Topic" } dd { (topic_link(&contract.topic, system)) } }
            @if let Some(key) = &contract.key { div { dt { "Key of order" } dd { code { (key) } } } }
            @if let Some(id) = &contract.id { div { dt { "Id" } dd { code { (id) } } } }
            div { dt { "Content type" } dd { code { (contract.content_type) } } }
            @if !contract.upcasts.is_empty() {
                div {
                    dt { "Also made from" }
                    dd { @for older in &contract.upcasts { (event_link(older, system)) " " } }
                }
            }
            @if !event.newer.is_empty() {
                div { dt { "Read as" } dd { @for newer in &event.newer { (event_link(newer, system)) " " } } }
            }
        }
    }
}

fn published(event: &Event<'_>) -> Markup {
    html! {
        h4 { "Published by" }
        @if event.is_published() {
            ul.plain {
                @for (service, handler) in &event.publishers {
                    li {
                        @match handler {
                            Some(handler) => { (handler_link(service, handler)) }
                            None => { (service_link(service)) " " span.dim { "the program itself" } }
                        }
                    }
                }
            }
        } @else if event.newer.is_empty() {
            p.dim { "None of these services." }
        } @else {
            p.dim { "None of these services any more; what is still under way is read as the newer version." }
        }
    }
}

fn handled(event: &Event<'_>, system: &System<'_>) -> Markup {
    html! {
        h4 { "Handled by" }
        @if event.handlers.is_empty() {
            p.dim {
                @if event.newer.is_empty() { "None of these services." }
                @else { "Whoever handles the newer version." }
            }
        } @else {
            table.reflow {
                thead { tr {
                    th scope="col" { "Handler" } th scope="col" { "Group" } th scope="col" { "Order" }
                    th scope="col" { "Attempts" } th scope="col" { "Timeout" } th scope="col" { "Dead letters" }
                } }
                tbody {
                    @for handler in &event.handlers {
                        @let contract = handler.contract;
                        tr {
                            th scope="row" {
                                (handler_link(handler.service, handler.name))
                                @if contract.takes_any() { " " span.dim { "takes whatever comes" } }
                                @if contract.broadcast { " " span.dim { "in every instance" } }
                            }
                            td data-label="Group" { (contract.group) }
                            td data-label="Order" { (policy::order(contract)) }
                            td data-label="Attempts" { (policy::attempts(contract)) }
                            td data-label="Timeout" { (policy::timeout(contract)) }
                            td data-label="Dead letters" { (policy::dead_letters(contract, system)) }
                        }
                    }
                }
            }
        }
    }
}

/// What it can be found by.
fn words(event: &Event<'_>) -> String {
    let contract = event.known.contract;
    let texts = [Some(event.kind), Some(&contract.topic), contract.key.as_deref(), contract.id.as_deref()];
    let about = [contract.description.as_deref(), contract.reply.as_ref().map(|reply| reply.name.as_str())];
    let publishers = event.publishers.iter().flat_map(|(service, handler)| [Some(*service), *handler]);
    let handlers = event.handlers.iter().flat_map(|handler| {
        [Some(handler.service), Some(handler.name), Some(handler.contract.group.as_str())]
    });
    let fields = event.words.iter().copied().map(Some);
    found_by(texts.into_iter().chain(about).chain(publishers).chain(handlers).chain(fields).flatten())
}

/// `billing and shipping`
fn and(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
