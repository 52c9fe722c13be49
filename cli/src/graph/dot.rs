//! For Graphviz.

use std::fmt::Write as _;

use super::{Edge, Graph, id};

pub(super) fn write(graph: &Graph<'_>) -> String {
    let mut lines = vec![
        "  rankdir=LR;".to_owned(),
        "  node [fontname=\"Helvetica\", fontsize=11];".to_owned(),
        "  edge [fontname=\"Helvetica\", fontsize=9];".to_owned(),
    ];
    for service in &graph.services {
        lines.push(format!("  subgraph {} {{", id("cluster", &[service.name])));
        lines.push(format!("    label={};", quoted(service.name)));
        if !service.publishes.is_empty() {
            lines.push(format!(
                "    {} [shape=box, label={}];",
                id("p", &[service.name]),
                quoted(service.name)
            ));
        }
        for handler in &service.handlers {
            let group = if handler.group == service.name {
                String::new()
            } else {
                format!("\ngroup {}", handler.group)
            };
            let label = quoted(&format!("{}{group}", handler.name));
            lines.push(format!(
                "    {} [shape=ellipse, label={label}];",
                id("h", &[service.name, handler.name])
            ));
        }
        lines.push("  }".to_owned());
    }
    for topic in &graph.topics {
        lines.push(format!("  {} [shape=cds, label={}];", id("t", &[topic.name]), quoted(topic.name)));
    }
    for topic in &graph.dead_letters {
        lines.push(format!("  {} [shape=note, style=dashed, label={}];", id("d", &[topic]), quoted(topic)));
    }
    lines.extend(graph.edges().iter().map(edge));
    let mut text = lines.iter().fold("digraph typebus {\n".to_owned(), |mut text, line| {
        // A `String` takes whatever is written.
        let _ = writeln!(text, "{line}");
        text
    });
    text.push_str("}\n");
    text
}

fn edge(edge: &Edge<'_>) -> String {
    let Edge { from, to, events, is_dead } = edge;
    let attributes = match &events[..] {
        _ if *is_dead => " [style=dashed]".to_owned(),
        [] => String::new(),
        events => format!(" [label={}]", quoted(&events.join("\n"))),
    };
    format!("  {from} -> {to}{attributes};")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
