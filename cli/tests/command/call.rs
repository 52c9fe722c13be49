//! A call of the command, and what it should print.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The folder of the samples, as it stands in a call.
pub(crate) const SAMPLES: &str = "tests/manifests";

/// What a call came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The package's folder: calls run there, so that paths in what they print are short and the same everywhere.
pub(crate) fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn typebus(args: &[&str]) -> Ended {
    typebus_with(args, "")
}

/// With something on stdin.
pub(crate) fn typebus_with(args: &[&str], input: &str) -> Ended {
    run(args, &[], input)
}

/// With something in the environment.
pub(crate) fn typebus_in(args: &[&str], vars: &[(&str, &str)]) -> Ended {
    run(args, vars, "")
}

fn run(args: &[&str], vars: &[(&str, &str)], input: &str) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_typebus"));
    command.args(args).current_dir(home()).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    let ours = env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"TYPEBUS_"));
    ours.for_each(|(name, _)| _ = command.env_remove(name));
    command.envs(vars.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // One that reads nothing may have ended already.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().expect("no signal ends it"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ended {
    /// What it printed, where all is well.
    #[track_caller]
    pub(crate) fn fine(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.out
    }

    /// What it said on stderr, where it ended with this code and printed nothing.
    #[track_caller]
    pub(crate) fn refused(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{self:#?}");
        self.err
    }
}

/// What was printed is what the file says.
#[track_caller]
pub(crate) fn golden(name: &str, printed: &str) {
    let file = home().join("tests/golden").join(name);
    if env::var_os("TYPEBUS_BLESS").is_some_and(|bless| bless == "1") {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, printed).unwrap();
        return;
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    if expected == printed {
        return;
    }
    let differ = expected.lines().zip(printed.lines()).position(|(one, other)| one != other);
    let line = differ.unwrap_or_else(|| expected.lines().count().min(printed.lines().count()));
    let at = |text: &str| text.lines().nth(line).unwrap_or("(the end)").to_owned();
    panic!(
        "tests/golden/{name} says otherwise from line {}:\n- {}\n+ {}\n`TYPEBUS_BLESS=1 cargo test -p typebus-cli` \
         writes it anew; read the difference as a user would",
        line + 1,
        at(&expected),
        at(printed)
    );
}

/// The samples with a change of billing.
pub(crate) fn changed(change: impl Fn(&str) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for service in ["billing", "shipping", "storefront"] {
        let file = format!("{service}.json");
        let text = fs::read_to_string(home().join(SAMPLES).join(&file)).unwrap();
        let text = if service == "billing" { change(&text) } else { text };
        fs::write(folder.path().join(file), text).unwrap();
    }
    folder
}

/// Every manifest of the repository: the samples, and those of the examples.
pub(crate) fn all_manifests() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in [
        "tests/manifests",
        "../examples/webhooks/typebus",
        "../examples/axum/typebus",
        "../examples/outbox/typebus",
    ] {
        let entries = fs::read_dir(home().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    files.sort();
    files
}
