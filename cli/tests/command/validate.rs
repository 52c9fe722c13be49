//! `typebus validate`.

use std::fs;

use serde_json::{Value, json};

use crate::call::{Ended, SAMPLES, golden, home, typebus, typebus_with};

/// The example of the sample's event.
fn order() -> Value {
    let manifest: Value =
        fs::read_to_string(home().join("tests/manifests/billing.json")).unwrap().parse().unwrap();
    manifest["events"]["order.placed.v2"]["schema"]["examples"][0].clone()
}

fn stdin(event: &str, input: &str, more: &[&str]) -> Ended {
    typebus_with(&[&["validate", event, "-", "--manifest", SAMPLES], more].concat(), input)
}

/// Three orders, of which the second and the third are wrong, and a line that is no JSON.
fn lines() -> String {
    let (good, mut small, mut odd) = (order(), order(), order());
    small["lines"][0]["quantity"] = json!(0);
    small["total"]["currency"] = json!("EURO");
    odd.as_object_mut().unwrap().remove("order_id");
    format!("{good}\n\n{small}\n{odd}\n{{\"order_id\": \n")
}

#[test]
fn what_is_as_it_should_be_is_said_to_be() {
    assert_eq!(stdin("order.placed.v2", &order().to_string(), &[]).fine(), "stdin is order.placed.v2\n");
    let twice = format!("{}\n{}\n", order(), order());
    assert_eq!(stdin("order.placed", &twice, &[]).fine(), "all 2 in stdin are order.placed.v2\n");
    // Over several lines it is one all the same.
    assert_eq!(stdin("order.placed", &format!("{:#}", order()), &[]).fine(), "stdin is order.placed.v2\n");
    let reply = stdin("shipping.quote.v1", r#"{"cents": 1, "days": 2}"#, &["--reply"]).fine();
    assert_eq!(reply, "stdin is a reply to shipping.quote.v1\n");
}

#[test]
fn what_is_wrong_is_told_by_line_and_place() {
    let ended = stdin("order.placed.v2", &lines(), &[]);
    assert_eq!((ended.code, ended.err.as_str()), (1, ""));
    golden("validate.txt", &ended.out);
    for (line, place) in [(3, "/lines/0/quantity"), (3, "/total/currency"), (4, ""), (5, "")] {
        let place = if place.is_empty() { String::new() } else { format!(" {place}:") };
        assert!(ended.out.contains(&format!("stdin:{line}:{place} ")), "{}", ended.out);
    }
    assert!(ended.out.ends_with("3 of 4 in stdin are not order.placed.v2\n"), "{}", ended.out);
}

#[test]
fn programs_get_json() {
    let ended = stdin("order.placed.v2", &lines(), &["--format", "json"]);
    assert_eq!(ended.code, 1);
    golden("validate.json", &ended.out);
    let printed: Value = ended.out.parse().unwrap();
    assert_eq!((&printed["payloads"], &printed["wrong"]), (&json!(4), &json!(3)));
    assert_eq!(printed["findings"][0]["line"], 3);
    let refused = stdin("order.plaecd", "", &["--format", "json"]).refused(2);
    let refused: Value = refused.parse().unwrap();
    assert_eq!(refused["code"], 2);
    assert!(refused["error"].as_str().unwrap().contains("no event is `order.plaecd`"), "{refused}");
}

#[test]
fn every_change_that_breaks_an_example_is_found() {
    let changes: [(&str, Value); 20] = [
        ("/order_id", json!(7)),
        ("/order_id", json!("not a uuid")),
        ("/order_id", json!(null)),
        ("/total", json!(12.5)),
        ("/total/cents", json!("4990")),
        ("/total/cents", json!(49.9)),
        ("/total/currency", json!("EU")),
        ("/total/currency", json!("EURO")),
        ("/lines", json!([])),
        ("/lines", json!({})),
        ("/lines/0", json!("A-1")),
        ("/lines/0/quantity", json!(0)),
        ("/lines/0/quantity", json!(1.5)),
        ("/lines/0/sku", json!(1)),
        ("/lines/0/size", json!([1])),
        ("/lines/0/size", json!([1, 2, 3])),
        ("/lines/0/size", json!(["1", 2])),
        ("/note", json!("x".repeat(501))),
        ("/channel", json!("shop")),
        ("/channel", json!({"partner": "a", "more": 1})),
    ];
    let text: String = changes
        .iter()
        .map(|(place, value)| {
            let mut changed = order();
            *changed.pointer_mut(place).unwrap() = value.clone();
            format!("{changed}\n")
        })
        .collect();
    let ended = stdin("order.placed.v2", &text, &["--format", "json"]);
    let printed: Value = ended.out.parse().unwrap();
    let found: Vec<_> =
        printed["findings"].as_array().unwrap().iter().map(|finding| finding["line"].as_u64()).collect();
    for (line, (place, value)) in (1..).zip(&changes) {
        assert!(found.contains(&Some(line)), "{place} may be {value}: {}", ended.out);
    }
}

#[test]
fn what_cannot_be_done_is_refused() {
    let said = stdin("order.placed.v2", "{\"order_id\": \n", &[]).refused(3);
    assert!(said.starts_with("error: stdin is no JSON: EOF"), "{said}");
    assert!(stdin("order.placed.v2", "", &[]).refused(3).contains("stdin is no JSON"));
    let said = stdin("order.placed.v3", "{}", &[]).refused(2);
    assert!(said.contains("no event is `order.placed.v3`; did you mean `order.placed."), "{said}");
    let said = stdin("order.placed.v2", "{}", &["--reply"]).refused(2);
    assert_eq!(said, "error: order.placed.v2 is no request: nothing answers it\n");
    let said = stdin("label.printed", "{}", &[]).refused(2);
    assert!(
        said.contains("label.printed.v1 has no JSON Schema: its payload is application/protobuf"),
        "{said}"
    );
    let said = typebus(&["validate", "order.placed.v2", "nowhere.json", "--manifest", SAMPLES]).refused(3);
    assert!(said.contains("nowhere.json cannot be read"), "{said}");
}

#[test]
fn without_a_manifest_named_those_under_this_folder_are_read() {
    let said = typebus_with(&["validate", "order.placed.v1", "-"], "{}").refused(3);
    assert!(said.contains("in . is no manifest"), "{said}");
}
