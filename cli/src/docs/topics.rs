//! The topics: what is published there, who listens, and where dead letters go.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::{
    anchor, event_link, found_by, handler_link, service_link,
    system::{Handler, System, Topic},
};

pub(super) fn table(system: &System<'_>) -> Markup {
    html! {
        table.reflow.topics {
            thead { tr {
                th scope="col" { "Topic" } th scope="col" { "Events" } th scope="col" { "Published by" }
                th scope="col" { "Groups that listen" }
            } }
            tbody { @for (name, topic) in &system.topics { (row(name, topic, system)) "\n" } }
        }
    }
}

fn row(name: &str, topic: &Topic<'_>, system: &System<'_>) -> Markup {
    html! {
        tr id=(anchor("topic:", name)) data-what="topic" data-find=(words(name, topic)) {
            th scope="row" { code.topic { (name) } }
            td data-label="Events" {
                @if topic.events.is_empty() { span.dim { "none of these services’" } }
                @for kind in &topic.events { (event_link(kind, system)) " " }
            }
            td data-label="Published by" {
                @if topic.publishers.is_empty() { span.dim { "none of these services" } }
                @for service in &topic.publishers { (service_link(service)) " " }
            }
            td data-label="Groups" {
                @if topic.listeners.is_empty() { span.dim { "none" } }
                @else { (groups(&topic.listeners)) }
            }
        }
    }
}

pub(super) fn dead(system: &System<'_>) -> Markup {
    html! {
        table.reflow.topics {
            thead { tr { th scope="col" { "Dead-letter topic" } th scope="col" { "Of the groups" } } }
            tbody {
                @for (name, handlers) in &system.dead {
                    tr id=(anchor("topic:", name)) data-what="topic"
                        data-find=(found_by(std::iter::once(*name).chain(handlers.iter().flat_map(of_handler)))) {
                        th scope="row" { code.topic { (name) } }
                        td data-label="Groups" { (groups(handlers)) }
                    }
                    "\n"
                }
            }
        }
    }
}

fn groups(handlers: &[Handler<'_>]) -> Markup {
    let mut groups: BTreeMap<&str, Vec<Handler<'_>>> = BTreeMap::new();
    for handler in handlers {
        groups.entry(&handler.contract.group).or_default().push(*handler);
    }
    html! {
        ul.plain {
            @for (group, handlers) in groups {
                li {
                    strong { (group) } ": "
                    @for (nth, handler) in handlers.iter().enumerate() {
                        @if nth > 0 { ", " } (handler_link(handler.service, handler.name))
                    }
                }
            }
        }
    }
}

fn words(name: &str, topic: &Topic<'_>) -> String {
    let listeners: BTreeSet<_> = topic.listeners.iter().flat_map(of_handler).collect();
    let events = topic.events.iter().chain(&topic.publishers).copied();
    found_by(std::iter::once(name).chain(events).chain(listeners))
}

fn of_handler<'a>(handler: &Handler<'a>) -> [&'a str; 3] {
    [handler.service, handler.name, &handler.contract.group]
}
