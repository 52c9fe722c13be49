//! `--format json`: what programs read of every subcommand.

use serde_json::Value;

use crate::call::{SAMPLES, typebus};

/// Every subcommand, with what is wrong, and the code that it ends with.
const WRONG: [(&[&str], i32); 11] = [
    (&["schema", "nowhere"], 3),
    (&["asyncapi", "nowhere"], 3),
    (&["graph", "nowhere"], 3),
    (&["docs", "nowhere"], 3),
    (&["validate", "order.placed.v2", "nowhere.ndjson", "--manifest", "nowhere"], 3),
    (&["check", "nowhere"], 3),
    (&["diff", "nowhere", SAMPLES], 3),
    (&["provision", "nowhere", "--dry-run"], 3),
    (&["init", "Not A Name"], 2),
    (&["completions", "tcsh"], 2),
    (&["man", "asynkapi"], 2),
];

#[test]
fn every_subcommand_says_as_json_what_is_wrong() {
    let help = typebus(&["help"]).fine();
    for (args, code) in WRONG {
        assert!(help.contains(&format!("\n  {} ", args[0])), "{help}");
        let said = typebus(&[args, &["--format", "json"]].concat()).refused(code);
        assert_eq!(said.lines().count(), 1, "{said}");
        let said: Value = said.parse().unwrap_or_else(|error| panic!("{args:?}: {error}: {said}"));
        assert_eq!(said["code"], code, "{said}");
        let text = said["error"].as_str().unwrap();
        let place = if code == 3 { "nowhere" } else { args[1] };
        assert!(text.contains(place) && !text.starts_with("error"), "{text}");
    }
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // And `help` itself.
    assert_eq!(commands.lines().count(), WRONG.len() + 1, "{commands}");
}

#[test]
fn wrong_arguments_are_told_to_programs_too() {
    let said = typebus(&["check", "--format=json"]).refused(2);
    let said: Value = said.parse().unwrap();
    assert!(said["error"].as_str().unwrap().contains("<MANIFEST>"), "{said}");
    assert!(typebus(&["check"]).refused(2).starts_with("error: "));
    // What stands behind `--` is no option.
    let said = typebus(&["check", "--", "--format", "json"]).refused(3);
    assert!(said.starts_with("error: "), "{said}");
}

#[test]
fn what_is_no_json_is_a_text_in_it() {
    for args in [&["docs", SAMPLES][..], &["completions", "bash"], &["man"], &["man", "check"]] {
        let text = typebus(args).fine();
        let json = typebus(&[args, &["--format", "json"]].concat()).fine();
        assert_eq!(json.parse::<Value>().unwrap()["text"], text, "{args:?}");
    }
}

#[test]
fn files_that_were_written_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let said = typebus(&["schema", SAMPLES, "-o", folder, "--format", "json"]).fine();
    let said: Value = said.parse().unwrap();
    let written = said["written"].as_array().unwrap();
    assert!(written.len() > 3);
    for file in written {
        let text = std::fs::read_to_string(file.as_str().unwrap()).unwrap();
        assert!(text.parse::<Value>().unwrap()["$id"].is_string(), "{file}");
    }
}

#[test]
fn a_note_is_a_line_of_json() {
    let ended = typebus(&["schema", SAMPLES, "--format", "json"]);
    let said: Value = ended.err.parse().unwrap();
    assert_eq!(said["note"], "label.printed.v1 is application/protobuf: it has no JSON Schema");
}
