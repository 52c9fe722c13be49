//! What the documents say is there.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const DOCUMENTS: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_first_rust_of_the_readme_is_hello_byte_for_byte() {
    let (readme, hello) = (read("README.md"), read("examples/hello.rs"));
    let block = readme.split_once("```rust\n").and_then(|(_, after)| after.split_once("```\n"));
    let (block, _) = block.expect("README.md has a block of Rust");
    assert!(block == hello, "copy examples/hello.rs into the first block of README.md");
    assert!(hello.lines().count() <= 40, "examples/hello.rs has more than 40 lines");
}

#[test]
fn single_file_examples_are_short() {
    for entry in fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= 80, "{} has {lines} lines; 80 are enough for an example", path.display());
        }
    }
}

#[test]
fn the_architecture_fits_and_names_every_module() {
    let architecture = read("ARCHITECTURE.md");
    let lines = architecture.lines().count();
    assert!(lines <= 150, "ARCHITECTURE.md has {lines} lines; 150 are what one reads");
    let named: BTreeSet<&str> = code(&architecture).map(|code| code.trim_end_matches('/')).collect();
    for entry in fs::read_dir(root().join("runtime/src")).unwrap() {
        let path = entry.unwrap().path();
        let is_code = |path: &Path| path.extension().is_some_and(|extension| extension == "rs");
        let has_code = |mut entries: fs::ReadDir| entries.any(|entry| is_code(&entry.unwrap().path()));
        if !is_code(&path) && !fs::read_dir(&path).is_ok_and(has_code) {
            continue;
        }
        let module = path.file_stem().unwrap().to_str().unwrap();
        assert!(named.contains(module), "the code map of ARCHITECTURE.md does not name `{module}`");
    }
}

#[test]
fn links_and_paths_lead_somewhere() {
    for document in DOCUMENTS {
        let text = read(document);
        let paths = code(&text).filter(|code| is_path(code));
        for target in links(&text).filter(|link| !link.contains(':')).chain(paths) {
            assert!(root().join(target).exists(), "{document} names {target}, which is not there");
        }
    }
}

/// What stands in backticks, outside of blocks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let outside = text.split("```").step_by(2);
    outside.flat_map(|text| text.split('`').skip(1).step_by(2))
}

/// Whether code is a path of the repository; one with capitals is a pattern for many.
fn is_path(code: &str) -> bool {
    let folders = ["runtime/", "macros/", "tests/", "examples/", "benches/", "xtask/", ".ci/"];
    folders.iter().any(|folder| code.starts_with(folder))
        && !code.contains(|c: char| c.is_uppercase() || c == ' ')
}

/// The targets of `[text](target)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|after| after.split_once(')')).map(|(link, _)| link)
}

#[test]
fn code_links_and_paths_are_found() {
    let text = "`a` and [b](c.md)\n```sh\n`d`\n```\n`runtime/src/lib.rs` `runtime/NAME`";
    assert_eq!(code(text).collect::<Vec<_>>(), ["a", "runtime/src/lib.rs", "runtime/NAME"]);
    assert_eq!(code(text).filter(|code| is_path(code)).collect::<Vec<_>>(), ["runtime/src/lib.rs"]);
    assert_eq!(links(text).collect::<Vec<_>>(), ["c.md"]);
}
