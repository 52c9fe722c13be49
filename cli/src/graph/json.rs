//! For programs.

use serde_json::{Value, json};

use super::{Graph, id};
use crate::output;

/// Every edge is between two `id`s of nodes; a service that publishes nothing by itself is a node too.
pub(super) fn write(graph: &Graph<'_>) -> String {
    let services = graph.services.iter().flat_map(|service| {
        let own = json!({"id": id("p", &[service.name]), "kind": "service", "name": service.name});
        let handlers = service.handlers.iter().map(|handler| {
            json!({
                "id": id("h", &[service.name, handler.name]),
                "kind": "handler",
                "name": handler.name,
                "service": service.name,
                "group": handler.group,
            })
        });
        std::iter::once(own).chain(handlers)
    });
    let topics = graph.topics.iter().map(|topic| {
        json!({"id": id("t", &[topic.name]), "kind": "topic", "name": topic.name, "events": topic.kinds})
    });
    let dead = graph.dead_letters.iter();
    let dead = dead.map(|topic| json!({"id": id("d", &[topic]), "kind": "dead_letter", "name": topic}));
    let nodes: Vec<Value> = services.chain(topics).chain(dead).collect();
    let edges = graph.edges();
    let edges: Vec<Value> =
        edges.iter().map(|edge| json!({"from": edge.from, "to": edge.to, "events": edge.events})).collect();
    output::pretty(&json!({"nodes": nodes, "edges": edges}))
}
