//! For Mermaid.

use std::fmt::Write as _;

use super::{Edge, Graph, id};

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
    lines.extend(graph.edges().iter().map(edge));
    lines.iter().fold("flowchart LR\n".to_owned(), |mut text, line| {
        // A `String` takes whatever is written.
        let _ = writeln!(text, "{line}");
        text
    })
}

fn edge(edge: &Edge<'_>) -> String {
    let Edge { from, to, events, is_dead } = edge;
    match &events[..] {
        _ if *is_dead => format!("  {from} -.-> {to}"),
        [] => format!("  {from} --> {to}"),
        events => format!("  {from} -->|\"{}\"| {to}", events.join("<br/>")),
    }
}

fn escaped(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}
