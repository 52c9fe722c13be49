//! What belongs to a command in a shell: completions, the manual, colours.

use std::process::Command;

use crate::call::{SAMPLES, golden, home, typebus};

#[test]
fn every_shell_gets_completions() {
    for (shell, sign) in [
        ("bash", "complete -F _typebus"),
        ("zsh", "#compdef typebus"),
        ("fish", "complete -c typebus"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion:arg-completer[typebus]"),
    ] {
        let script = typebus(&["completions", shell]).fine();
        assert!(script.contains(sign), "{shell}");
        assert!(script.contains("asyncapi") && script.contains("base-url"), "{shell}");
        golden(&format!("completions.{shell}"), &script);
    }
    let said = typebus(&["completions", "tcsh"]).refused(2);
    assert!(said.contains("possible values: bash"), "{said}");
}

#[test]
fn the_manual_has_a_page_for_the_command_and_for_each_subcommand() {
    let page = typebus(&["man"]).fine();
    assert!(
        page.contains(".TH typebus 1") && page.contains("Exit codes:") && page.contains("validate"),
        "{page}"
    );
    golden("man.roff", &page);
    let page = typebus(&["man", "asyncapi"]).fine();
    assert!(page.contains("typebus asyncapi") && page.contains("\\-\\-server"), "{page}");
    let said = typebus(&["man", "asynkapi"]).refused(2);
    assert!(said.contains("there is no subcommand `asynkapi`"), "{said}");
}

#[test]
fn colour_is_for_terminals_and_whoever_insists() {
    let wrong = |variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_typebus"));
        command.args(["schema", SAMPLES, "--event", "nothing"]).current_dir(home());
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").envs(variables.iter().copied());
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    let red = "\u{1b}[1m\u{1b}[31merror:\u{1b}[0m no event";
    assert!(wrong(&[]).starts_with("error: no event"));
    assert!(wrong(&[("CLICOLOR_FORCE", "1")]).starts_with(red));
    assert!(wrong(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).starts_with("error: no event"));
}
