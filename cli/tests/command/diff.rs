//! `typebus diff`.

use std::fs;

use serde_json::Value;

use crate::call::{SAMPLES, changed, golden, typebus};

#[test]
fn nothing_is_different_from_itself() {
    assert_eq!(typebus(&["diff", SAMPLES, SAMPLES]).fine(), "0 differences, and nobody is broken\n");
}

#[test]
fn each_change_says_whom_it_breaks_and_why() {
    let new = changed(|text| {
        let text = text.replace("\"maxLength\": 500", "\"maxLength\": 200");
        let text =
            text.replace("\"Takes the money.\\n\\nEach order is charged once.\"", "\"Takes the money.\"");
        text.replace("\"group\": \"billing\"", "\"group\": \"till\"")
    });
    let path = new.path().to_str().unwrap();
    let ended = typebus(&["diff", SAMPLES, path]);
    assert_eq!((ended.code, ended.err.as_str()), (1, ""));
    golden("diff.txt", &ended.out);
    let json = typebus(&["diff", SAMPLES, path, "--format", "json"]);
    assert_eq!(json.code, 1);
    golden("diff.json", &json.out);
    let printed: Value = json.out.parse().unwrap();
    assert_eq!(printed["breaking"], 2, "{printed}");
    let short = typebus(&["diff", SAMPLES, path, "--breaking"]);
    assert!(short.code == 1 && short.out.lines().count() < ended.out.lines().count(), "{short:#?}");
    assert!(!short.out.contains("compatible"), "{short:#?}");
}

#[test]
fn what_breaks_nobody_is_fine() {
    let new = changed(|text| text.replace("\"maxLength\": 500", "\"maxLength\": 501"));
    let printed = typebus(&[
        "diff",
        &format!("{SAMPLES}/billing.json"),
        new.path().join("billing.json").to_str().unwrap(),
    ]);
    assert!(printed.fine().ends_with("1 difference, and nobody is broken\n"));
}

#[test]
fn services_that_come_and_go_are_told() {
    let new = changed(str::to_owned);
    fs::remove_file(new.path().join("billing.json")).unwrap();
    let printed = typebus(&["diff", SAMPLES, new.path().to_str().unwrap()]).fine();
    assert_eq!(printed, "billing: it is gone\n0 differences, and nobody is broken\n");
    let printed = typebus(&["diff", new.path().to_str().unwrap(), SAMPLES]).fine();
    assert_eq!(printed, "billing: it is new\n0 differences, and nobody is broken\n");
}

#[test]
fn what_is_not_there_is_refused() {
    let refused = typebus(&["diff", SAMPLES, "nowhere", "--format", "json"]).refused(3);
    let told: Value = refused.parse().unwrap();
    assert_eq!(told["code"], 3);
    assert!(told["error"].as_str().unwrap().contains("nowhere is not there"), "{told}");
}
