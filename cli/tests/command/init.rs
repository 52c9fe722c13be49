//! `typebus init`.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::call::{golden, home, typebus};

#[test]
fn a_new_service_compiles_runs_and_passes_its_tests() {
    let folder = tempfile::tempdir().unwrap();
    let service = folder.path().join("desk");
    let (path, library) = (service.to_str().unwrap(), home().join("../runtime"));
    let said =
        typebus(&["init", "order_desk", "--path", path, "--typebus-path", library.to_str().unwrap()]).fine();
    assert_eq!(
        said,
        format!("the service `order-desk` is in {path}\n  cd {path} && cargo run && cargo test\n")
    );

    // With the versions of this workspace, which are all there.
    fs::copy(home().join("../Cargo.lock"), service.join("Cargo.lock")).unwrap();
    let tested = cargo("test", &service);
    for test in ["manifest_of_order_desk_service ... ok", "an_order_for_nothing_is_a_dead_letter ... ok"] {
        assert!(tested.contains(test), "{tested}");
    }
    assert!(tested.contains("test result: ok. 3 passed; 0 failed; 0 ignored"), "{tested}");
    assert_eq!(cargo("run", &service), "order o-1 is accepted\n");
    // The command understands it.
    let schemas: Value = typebus(&["schema", path]).fine().parse().unwrap();
    assert_eq!(schemas["order.placed.v1"]["title"], "OrderPlaced");
}

/// What it printed on stdout, where all is well.
fn cargo(what: &str, folder: &Path) -> String {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args([what, "--offline", "--quiet"]).args((what == "test").then_some("--")).current_dir(folder);
    command.args((what == "test").then_some("--format=pretty"));
    // Once built it is there the next time; lines of source in panics are of no use here.
    command.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("init"));
    command.env("CARGO_PROFILE_DEV_DEBUG", "0").env_remove("TYPEBUS_BLESS").env_remove("RUSTFLAGS");
    let output = command.output().unwrap();
    assert!(output.status.success(), "cargo {what}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_it_makes_is_what_it_always_makes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("billing");
    let said = typebus(&["init", "billing", "--path", path.to_str().unwrap(), "--format", "json"]).fine();
    let said: Value = said.parse().unwrap();
    assert_eq!(said["service"], "billing");
    let files: Vec<_> = said["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    let names = ["Cargo.toml", "src/main.rs", "typebus/billing.json", ".gitignore"];
    assert_eq!(files, names.map(|name| path.join(name).to_str().unwrap().to_owned()));
    let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("\ntypebus = { version = \"0.1.0\" }\n"), "{manifest}");
    let mut all = String::new();
    for (name, file) in names.iter().zip(files) {
        let text = fs::read_to_string(file).unwrap();
        assert!(!text.contains("{{"), "{file}");
        all += &format!("--- {name}\n{text}");
    }
    golden("init.txt", &all);
}

#[test]
fn what_is_there_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let said = typebus(&["init", "billing", "--path", path]).refused(2);
    assert!(said.contains("is there and not empty; take another name"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let file = folder.path().join("notes.txt");
    let said = typebus(&["init", "billing", "--path", file.to_str().unwrap()]).refused(3);
    assert!(said.contains("notes.txt cannot be used"), "{said}");
}

#[test]
fn names_that_are_none_of_a_crate_are_refused() {
    let long = "a".repeat(41);
    for (name, why) in [
        ("2fast", "it has to begin with a letter"),
        ("-x", ""),
        ("my service", "` ` is none of"),
        ("caf\u{e9}", "is none of"),
        ("", "it has to begin with a letter"),
        ("async", "has a meaning in Rust"),
        ("proc-macro", "has a meaning in Rust"),
        ("typebus", "a crate that it needs"),
        ("dead", "the bus's own"),
        (&long, "more than 40 characters"),
    ] {
        let said = typebus(&["init", name]).refused(2);
        assert!(said.contains(why), "{name}: {said}");
    }
}

#[test]
fn a_workspace_around_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Cargo.toml"), "[workspace]\nmembers = []\n").unwrap();
    let path = folder.path().join("billing");
    let said = typebus(&["init", "billing", "--path", path.to_str().unwrap()]).fine();
    let workspace = folder.path().join("Cargo.toml");
    assert!(
        said.contains(&format!("add it to the `members` of the workspace in {}", workspace.display())),
        "{said}"
    );
}
