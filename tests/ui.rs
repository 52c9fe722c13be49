//! What the compiler says to programs that are wrong, and that it says nothing to those that are not.
//!
//! `tests/ui/README.md` has the conventions.

use std::fs;

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/[0-9]*/*.rs");
    cases.compile_fail("ui/many/*.rs");
    cases.pass("ui/pass/*.rs");
}

/// `tests/ui/README.md` says which these are: rustc itself insists on more than one.
const SEVERAL: [&str; 2] = ["9-handlers/associated", "9-handlers/no_extractor_listed"];

#[test]
fn a_message_shows_nothing_of_ours_and_stands_alone() {
    let mut seen = 0;
    for folder in fs::read_dir("ui").unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).into_iter().flatten() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "stderr") {
                continue;
            }
            let (name, text) = (path.display().to_string(), fs::read_to_string(&path).unwrap());
            assert!(!text.contains("__"), "{name} shows a name that is not the user's");
            assert!(!text.contains("the message does not fit"), "{name}");
            let errors = text.lines().filter(|line| line.starts_with("error")).count();
            let several = name.contains("ui/many/") || SEVERAL.iter().any(|several| name.contains(several));
            assert_eq!(errors > 1, several, "{name} has {errors} errors");
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen} messages");
}
