//! For Mermaid.

use std::fmt::Write as _;

use super::{Graph, id};

pub(super) fn write(graph: &Graph<'_>) -> String {
    let mut lines = Vec::new();
    for service in &graph.services {
        lines.push(format!("  subgraph {}[\"{}\"]", id("s", &[service.name]), escaped(service.name)));
        if !service.publishes.is_empty() {
            lines.push(format!("    {}[\"{}\"]", id("p", &[service.name]), escaped(service.name)));
        }
        for handler in &service.handlers {
            let group = if handler.group == service.name {
                String::new()
            } else {
                format!("<br/>group {}", handler.group)
            };
            let label = escaped(handler.name) + &group;
            lines.push(format!("    {}([\"{label}\"])", id("h", &[service.name, handler.name])));
        }
        lines.push("  end".to_owned());
    }
    for topic in &graph.topics {
        lines.push(format!("  {}[/\"{}\"/]", id("t", &[topic.name]), escaped(topic.name)));
    }
    for topic in &graph.dead_letters {
        lines.push(format!("  {}[\\\"{}\"\\]", id("d", &[topic]), escaped(topic)));
    }
    for service in &graph.services {
        let from = id("p", &[service.name]);
        for (topic, kinds) in graph.by_topic(service.publishes.iter().copied()) {
            lines.push(edge(&from, &id("t", &[graph.topics[topic].name]), &kinds));
        }
        for handler in &service.handlers {
            let own = id("h", &[service.name, handler.name]);
            for (topic, kinds) in graph.handled_by_topic(handler) {
                lines.push(edge(&id("t", &[graph.topics[topic].name]), &own, &kinds));
            }
            for (topic, kinds) in graph.by_topic(handler.publishes.iter().copied()) {
                lines.push(edge(&own, &id("t", &[graph.topics[topic].name]), &kinds));
            }
            if let Some(topic) = handler.dead_letter {
                lines.push(format!("  {own} -.-> {}", id("d", &[graph.dead_letters[topic]])));
            }
        }
    }
    lines.iter().fold("flowchart LR\n".to_owned(), |mut text, line| {
        // A `String` takes whatever is written.
        let _ = writeln!(text, "{line}");
        text
    })
}

/// Without a kind it is whatever comes.
fn edge(from: &str, to: &str, kinds: &[&str]) -> String {
    match kinds {
        [] => format!("  {from} --> {to}"),
        kinds => format!("  {from} -->|\"{}\"| {to}", kinds.join("<br/>")),
    }
}

fn escaped(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}
