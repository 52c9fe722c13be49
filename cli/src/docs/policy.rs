//! How a handler works, in words.

use maud::{Markup, html};
use typebus::{Guarantee, Order, Start, manifest::HandlerContract};

use super::{system::System, topic_link};

/// What there is to know beside what it takes and publishes; whatever its policy says has a line.
pub(super) fn facts(handler: &HandlerContract, system: &System<'_>) -> Vec<(String, Markup)> {
    let mut facts = vec![
        ("Order".to_owned(), html! { (order(handler)) }),
        ("Delivery".to_owned(), html! { (delivery(handler)) }),
        ("Attempts".to_owned(), attempts(handler)),
        ("Timeout".to_owned(), html! { (said(handler, "timeout").unwrap_or_default()) }),
        ("Dead letters".to_owned(), dead_letters(handler, system)),
    ];
    if handler.broadcast {
        facts.push(("Broadcast".to_owned(), html! { "every instance gets its own copy" }));
    }
    if let Some(start) = handler.start {
        let words = match start {
            Start::Earliest => "at the oldest message that is kept",
            Start::Latest => "at what is published next",
        };
        facts.push(("A new group starts".to_owned(), html! { (words) }));
    }
    if let Some(most) = said(handler, "batch.max") {
        let wait = said(handler, "batch.wait")
            .map(|wait| format!(", waiting {wait} for others"))
            .unwrap_or_default();
        facts.push(("Batches".to_owned(), html! { "up to " (most) (wait) }));
    }
    for name in handler.policy.keys().filter(|name| !SHOWN.contains(&name.as_str())) {
        let value = said(handler, name).unwrap_or_default();
        facts.push(match name.as_str() {
            "concurrency" => ("At once".to_owned(), html! { "up to " (value) }),
            "dedupe" => ("Repeats".to_owned(), html! { "skipped for " (value) }),
            "breaker.after" => ("Pauses".to_owned(), html! { "after " (value) " dead letters in a row" }),
            "unhandled" => ("Other events".to_owned(), html! { (spaced(&value)) }),
            "unknown_version" => ("Unknown versions".to_owned(), html! { (spaced(&value)) }),
            other => (other.to_owned(), html! { (value) }),
        });
    }
    facts.retain(|(_, fact)| !fact.0.is_empty());
    facts
}

const SHOWN: [&str; 6] = ["attempts", "backoff", "batch.max", "batch.wait", "jitter", "timeout"];

pub(super) const fn order(handler: &HandlerContract) -> &'static str {
    match handler.order {
        Order::Key => "per key",
        Order::Partition => "per partition",
        Order::None => "none",
    }
}

pub(super) fn attempts(handler: &HandlerContract) -> Markup {
    let attempts = said(handler, "attempts").unwrap_or_default();
    let delays =
        said(handler, "backoff").filter(|_| attempts != "1").map(|backoff| backoff.replace("..", " to "));
    let jitter = if said(handler, "jitter").as_deref() == Some("true") { ", jittered" } else { "" };
    html! { (attempts) @if let Some(delays) = delays { " " span.dim { (delays) " apart" (jitter) } } }
}

pub(super) fn timeout(handler: &HandlerContract) -> String {
    said(handler, "timeout").unwrap_or_default()
}

pub(super) fn dead_letters(handler: &HandlerContract, system: &System<'_>) -> Markup {
    html! { @match &handler.dead_letter { Some(topic) => { (topic_link(topic, system)) } None => "discarded" } }
}

const fn delivery(handler: &HandlerContract) -> &'static str {
    match handler.delivery {
        Guarantee::AtLeastOnce => "at least once",
        Guarantee::AtMostOnce => "at most once",
        Guarantee::ExactlyOnce => "exactly once",
    }
}

/// A part of the policy as it is written.
fn said(handler: &HandlerContract, name: &str) -> Option<String> {
    let value = handler.policy.get(name)?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn spaced(word: &str) -> String {
    word.replace('_', " ")
}
