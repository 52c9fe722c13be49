//! `typebus graph`.

use crate::call::{SAMPLES, golden, typebus};

#[test]
fn the_samples_are_what_they_always_are() {
    for (format, file) in
        [("mermaid", "graph.mmd"), ("dot", "graph.dot"), ("svg", "graph.svg"), ("json", "graph.json")]
    {
        golden(file, &typebus(&["graph", SAMPLES, "--format", format]).fine());
    }
    let dead = typebus(&["graph", SAMPLES, "--format", "svg", "--dead-letters"]).fine();
    golden("graph.dead-letters.svg", &dead);
    golden("graph.dead-letters.mmd", &typebus(&["graph", SAMPLES, "--dead-letters"]).fine());
}

#[test]
fn every_edge_is_between_nodes() {
    let graph = typebus(&["graph", SAMPLES, "--dead-letters", "--format=json"]).fine();
    let graph: serde_json::Value = serde_json::from_str(&graph).unwrap();
    let ids: Vec<_> = graph["nodes"].as_array().unwrap().iter().map(|node| &node["id"]).collect();
    let edges = graph["edges"].as_array().unwrap();
    assert!(edges.iter().any(|edge| edge["to"] == "d_dead_billing"), "{graph:#}");
    for edge in edges {
        assert!(ids.contains(&&edge["from"]) && ids.contains(&&edge["to"]), "{edge}");
    }
}

#[test]
fn a_picture_needs_nothing_else_and_is_light_and_dark() {
    let svg = typebus(&["graph", "../examples/webhooks", "--format", "svg"]).fine();
    for outside in ["href", "url(", "@import", "<script", "<image", "font-face"] {
        assert!(!svg.contains(outside), "{outside}");
    }
    assert_eq!(svg.matches("http").count(), 1, "only the namespace");
    assert!(svg.contains("prefers-color-scheme:dark"));
    for name in ["gateway", "github.pull_request_review_comment.v1", "workflow_job"] {
        assert!(svg.contains(&format!(">{name}</text>")), "{name}");
    }
}

#[test]
fn a_file_gets_what_would_be_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.svg");
    let file = file.to_str().unwrap();
    assert_eq!(typebus(&["graph", SAMPLES, "--format", "svg", "-o", file]).fine(), "");
    assert_eq!(
        std::fs::read_to_string(file).unwrap(),
        typebus(&["graph", SAMPLES, "--format", "svg"]).fine()
    );
    // A folder cannot be written like a file.
    let said = typebus(&["graph", SAMPLES, "-o", folder.path().to_str().unwrap()]).refused(3);
    assert!(said.contains("cannot be written"), "{said}");
}
