//! A copy of the fixture `tests/team`, which may be edited and checked.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use serde::Deserialize;

/// The copy. It stays when the test is over, and the next run makes it anew in the same place: cargo then has everything
/// that the fixture depends on.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

/// What a check came to.
pub(crate) struct Checked {
    pub(crate) succeeded: bool,
    /// What was said about the crates of the workspace, of whatever severity.
    pub(crate) messages: Vec<Message>,
    /// What cargo had to say itself.
    cargo: String,
}

/// What a run of tests came to.
pub(crate) struct Tested {
    pub(crate) succeeded: bool,
    pub(crate) printed: String,
}

/// A message of rustc, as far as editors look at it.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) is_error: bool,
    pub(crate) code: Option<String>,
    pub(crate) text: String,
    rendered: String,
    /// The primary spans: what an editor underlines.
    pub(crate) places: Vec<Place>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) token: String,
}

/// Puts the file back as it was when it is dropped.
struct Edit<'a> {
    workspace: &'a Workspace,
    file: &'a str,
    before: String,
}

impl Drop for Edit<'_> {
    fn drop(&mut self) {
        self.workspace.write(self.file, &self.before);
    }
}

impl Checked {
    /// All of it, as one reads it in a terminal.
    pub(crate) fn rendered(&self) -> String {
        let messages = self.messages.iter().map(|message| message.rendered.as_str());
        messages.chain([self.cargo.as_str()]).collect()
    }
}

impl Workspace {
    /// Makes the copy, which depends on the typebus of this repository, and on what its lock file says. Each name has a
    /// target directory of its own: to cargo two copies that share one are the same.
    pub(crate) fn copy(name: &str) -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workspace =
            Self { root: temporary(name).join("workspace"), target: temporary(name).join("target") };
        if workspace.root.exists() {
            fs::remove_dir_all(&workspace.root).unwrap();
        }
        copy(&tests.join("team"), &workspace.root);
        fs::copy(tests.join("../Cargo.lock"), workspace.root.join("Cargo.lock")).unwrap();
        let runtime = tests.with_file_name("runtime");
        let manifest = workspace.read("Cargo.toml");
        let manifest =
            replace_once(&manifest, r#""../../runtime""#, &format!("{:?}", runtime.display().to_string()));
        workspace.write("Cargo.toml", &manifest);
        workspace
    }

    /// What the compiler says to all crates, also to those beside one that is wrong.
    pub(crate) fn check(&self) -> Checked {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["check", "--workspace", "--keep-going", "--offline", "--quiet", "--message-format=json"])
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            .output()
            .unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let messages = lines.lines().filter_map(|line| self.message(line)).collect();
        let cargo = String::from_utf8_lossy(&output.stderr).into_owned();
        Checked { succeeded: output.status.success(), messages, cargo }
    }

    /// The same where somebody wrote `new` in place of the only `old` of a file; afterwards all is as before.
    pub(crate) fn check_with(&self, file: &str, old: &str, new: &str) -> Checked {
        let edit = Edit { workspace: self, file, before: self.read(file) };
        self.write(file, &replace_once(&edit.before, old, new));
        self.check()
    }

    /// Runs the tests of a package, with `TYPEBUS_BLESS` set to a word; what they print is all of it, in one text.
    pub(crate) fn test(&self, package: &str, bless: &str) -> Tested {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["test", "--package", package, "--lib", "--offline", "--quiet", "--", "--nocapture"])
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("TYPEBUS_BLESS", bless)
            .output()
            .unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        Tested { succeeded: output.status.success(), printed: out + &err }
    }

    /// Writes `new` in place of the only `old` of a file, for good.
    pub(crate) fn edit(&self, file: &str, old: &str, new: &str) {
        self.write(file, &replace_once(&self.read(file), old, new));
    }

    /// A line of cargo, if it is a message about some place in the workspace. The others are about dependencies, or sums
    /// like "aborting due to 1 previous error", which no editor shows.
    fn message(&self, line: &str) -> Option<Message> {
        let Line { manifest_path, message } = serde_json::from_str(line).unwrap();
        let Diagnostic { message: text, rendered, level, code, spans } = message?;
        if !manifest_path?.starts_with(&self.root) || spans.is_empty() {
            return None;
        }
        let places = spans.iter().filter(|span| span.is_primary).map(|span| self.place(span)).collect();
        let code = code.map(|code| code.code);
        Some(Message { is_error: level == "error", code, text, rendered, places })
    }

    fn place(&self, span: &Span) -> Place {
        let source = self.read(&span.file_name);
        let lines = source.lines().enumerate().map(|(at, line)| (at + 1, line));
        let parts = lines.filter(|(number, _)| (span.line_start..=span.line_end).contains(number));
        let parts = parts.map(|(number, line)| {
            let start = if number == span.line_start { span.column_start - 1 } else { 0 };
            let end = if number == span.line_end { span.column_end - 1 } else { usize::MAX };
            line.chars().take(end).skip(start).collect::<String>()
        });
        Place { file: span.file_name.clone(), token: parts.collect::<Vec<_>>().join("\n") }
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// Cargo compares modification times with the beginning of its last check, which the clock of a file system may not
    /// tell from now: so the file is dated a little later, instead of waiting.
    fn write(&self, file: &str, text: &str) {
        let path = self.root.join(file);
        fs::write(&path, text).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(10)).unwrap();
    }
}

/// A line of `--message-format=json`; those that are no message of the compiler have none.
#[derive(Deserialize)]
struct Line {
    manifest_path: Option<PathBuf>,
    message: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Diagnostic {
    message: String,
    rendered: String,
    level: String,
    code: Option<Code>,
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

/// Lines and columns count from 1, columns in characters; `column_end` is the first behind it.
#[derive(Deserialize)]
struct Span {
    file_name: String,
    is_primary: bool,
    line_start: usize,
    line_end: usize,
    column_start: usize,
    column_end: usize,
}

/// Where this test may write.
fn temporary(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("team").join(name)
}

/// Copies the manifests and sources, and nothing that somebody built there.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if !path.is_dir() {
            fs::copy(path, to).unwrap();
        } else if entry.file_name() != "target" {
            copy(&path, &to);
        }
    }
}

fn replace_once(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "{old:?} must be there once, in:\n{text}");
    text.replacen(old, new, 1)
}
