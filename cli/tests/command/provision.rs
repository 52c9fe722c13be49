//! `typebus provision`, without a broker: what it does on real ones is tried where those are.

use std::fs;

use crate::call::{SAMPLES, golden, typebus, typebus_in};

#[test]
fn what_would_be_created_is_shown() {
    let printed = typebus(&["provision", SAMPLES, "--dry-run"]).fine();
    golden("provision.txt", &printed);
    let printed = typebus(&["provision", SAMPLES, "--dry-run", "--format", "json"]).fine();
    golden("provision.json", &printed);
}

#[test]
fn a_configuration_names_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("typebus.toml");
    fs::write(&file, "prefix = \"staging\"\n[handlers]\ncharge.concurrency = 5\n").unwrap();
    let printed = typebus(&["provision", SAMPLES, "--dry-run", "--config", file.to_str().unwrap()]).fine();
    assert!(printed.contains("  group staging-billing of staging.shop.orders\n"), "{printed}");
    fs::write(&file, "prefix = \"a.b\"\n").unwrap();
    let refused =
        typebus(&["provision", SAMPLES, "--dry-run", "--config", file.to_str().unwrap()]).refused(2);
    assert!(refused.contains("the prefix `a.b`"), "{refused}");
    let refused = typebus(&["provision", SAMPLES, "--config", "nowhere.toml"]).refused(3);
    assert!(refused.contains("nowhere.toml cannot be read"), "{refused}");
}

#[test]
fn a_broker_has_to_be_named() {
    let refused = typebus(&["provision", SAMPLES]).refused(2);
    assert!(refused.contains("TYPEBUS_URL"), "{refused}");
}

#[test]
fn in_memory_all_is_well() {
    let printed = typebus_in(&["provision", SAMPLES], &[("TYPEBUS_URL", "memory:provision")]).fine();
    assert!(printed.ends_with("all of it is there, for 3 services\n"), "{printed}");
}

/// Whatever the broker's features of this build are, no password is shown.
#[test]
fn a_password_is_not_printed() {
    let url = "amqp://billing:hunter2@127.0.0.1:1/shop?connect_timeout=1s";
    let ended = typebus_in(&["provision", SAMPLES], &[("TYPEBUS_URL", url)]);
    assert!(ended.code == 2 || ended.code == 3, "{ended:#?}");
    assert!(!format!("{ended:?}").contains("hunter2"), "{ended:#?}");
    if ended.code == 2 {
        let advice = "install it with: `cargo install typebus-cli --features rabbitmq`";
        assert!(ended.err.contains(advice), "{ended:#?}");
    }
}
