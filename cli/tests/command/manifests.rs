//! How manifests are named, and what is said where they cannot be read.

use std::{
    fs,
    io::Read as _,
    process::{Command, Stdio},
};

use crate::call::{SAMPLES, home, typebus};

#[test]
fn without_arguments_it_says_what_there_is() {
    let said = typebus(&[]).refused(2);
    assert!(said.contains("schema"), "{said}");
    let help = typebus(&["--help"]).fine();
    assert!(help.contains("Exit codes:\n  0  fine\n  1  findings"), "{help}");
    let said = typebus(&["shema"]).refused(2);
    assert!(said.contains("a similar subcommand exists: 'schema'"), "{said}");
}

#[test]
fn the_order_of_arguments_and_repeats_make_no_difference() {
    let folder = typebus(&["schema", SAMPLES]).fine();
    let files = ["storefront", "shipping", "billing"].map(|name| format!("{SAMPLES}/{name}.json"));
    let files = typebus(&["schema", &files[0], SAMPLES, &files[1], &files[2]]).fine();
    assert_eq!(folder, files);
}

#[test]
fn what_cannot_be_read_is_named_with_its_place_and_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("billing.json");
    let good = fs::read_to_string(home().join("tests/manifests/billing.json")).unwrap();
    fs::write(&file, good.replace("\"order\": \"key\"", "\"order\": \"keys\"")).unwrap();
    let said = typebus(&["schema", file.to_str().unwrap(), "nowhere"]).refused(3);
    let told = format!(
        "error: {}: this is no manifest: `/handlers/charge/order`: `keys` is not known; did you mean `key`?",
        file.display()
    );
    assert!(said.starts_with(&told), "{said}");
    assert!(said.contains("`TYPEBUS_BLESS=1 cargo test`"), "{said}");
    assert!(said.contains("nowhere is not there; name a file `typebus/<service>.json`"), "{said}");
}

#[test]
fn who_reads_only_the_head_of_it_is_not_told_off() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_typebus"))
        .args(["schema", "../examples/webhooks"])
        .current_dir(home())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // More than a pipe holds is on its way.
    let mut head = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut head).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}
