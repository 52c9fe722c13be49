//! The file beside the code: compared by the test that `service!` generates, and rewritten when that is asked for.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Manifest, lines};
use crate::service::Service;

/// The environment variable that has the file rewritten.
const BLESS: &str = "TYPEBUS_BLESS";

/// Compares the manifest of `S` with `typebus/<service>.json` in `crate_dir`.
///
/// # Panics
/// They differ, the file cannot be read or written, or `TYPEBUS_BLESS` asks for what must not be. The message says which
/// and what to do.
pub fn keep_manifest<S: Service>(crate_dir: Option<&str>) {
    let Some(crate_dir) = crate_dir else {
        panic!(
            "CARGO_MANIFEST_DIR was not set when this was compiled, so that nobody knows where the manifest is"
        );
    };
    let bless = match std::env::var(BLESS) {
        Err(_) => Bless::No,
        Ok(word) => Bless::read(&word).unwrap_or_else(|wrong| panic!("{wrong}")),
    };
    let manifest = Manifest::of::<S>();
    let file = Path::new(crate_dir).join("typebus").join(format!("{}.json", manifest.service));
    match keep(&manifest, &file, bless) {
        Ok(Kept::AsItWas) => {}
        #[expect(clippy::print_stdout, reason = "a test's output, shown to whoever asked for it")]
        Ok(Kept::Written(broken)) => println!("{} is written{broken}", file.display()),
        Err(wrong) => panic!("{wrong}"),
    }
}

/// What may be done to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bless {
    No,
    /// Written, unless that breaks somebody.
    Yes,
    /// Written in any case.
    Breaking,
}

impl Bless {
    fn read(word: &str) -> Result<Self, String> {
        match word {
            "" | "0" => Ok(Self::No),
            "1" => Ok(Self::Yes),
            "breaking" => Ok(Self::Breaking),
            other => Err(format!("{BLESS}={other} is not known; it is 1, or `breaking`")),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Kept {
    AsItWas,
    /// With what it breaks, in lines of their own.
    Written(String),
}

fn keep(manifest: &Manifest, file: &Path, bless: Bless) -> Result<Kept, String> {
    check_examples(manifest)?;
    let new = manifest.to_string();
    let shown = file.display();
    let old = match fs::read_to_string(file) {
        Ok(old) => Some(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(format!("{shown} cannot be read: {error}")),
    };
    // What git made of the ends of lines is no difference.
    let old = old.map(|old| old.replace("\r\n", "\n"));
    if old.as_ref() == Some(&new) {
        return Ok(Kept::AsItWas);
    }
    let Some(old) = old else {
        if bless == Bless::No {
            return Err(format!(
                "the service `{}` has no manifest yet: `{BLESS}=1 cargo test` writes {shown}; commit it with the code. \
                 A service that is nobody's contract says `manifest: none`",
                manifest.service
            ));
        }
        return write(file, &new).map(|()| Kept::Written(String::new()));
    };
    let broken = match old.parse::<Manifest>() {
        Ok(old) => broken(&old, manifest),
        Err(_) if bless == Bless::Breaking => String::new(),
        Err(wrong) => {
            return Err(format!(
                "{shown}: {wrong}\ntake it from version control again, or write it anew with `{BLESS}=breaking cargo test`"
            ));
        }
    };
    match bless {
        Bless::No => {
            let advice = match broken.as_str() {
                "" => format!("`{BLESS}=1 cargo test` rewrites it; commit it with the code"),
                broken => format!("{REFUSED}:{broken}\n{}", how(manifest)),
            };
            Err(format!(
                "the service `{}` is not what {shown} says:\n\n{}\n{advice}",
                manifest.service,
                lines::compare(&old, &new)
            ))
        }
        Bless::Yes if !broken.is_empty() => {
            Err(format!("{REFUSED}, so that {shown} stays as it was:{broken}\n{}", how(manifest)))
        }
        Bless::Yes | Bless::Breaking => write(file, &new).map(|()| Kept::Written(broken)),
    }
}

const REFUSED: &str = "older messages or older readers would not survive this";

fn how(_: &Manifest) -> String {
    format!(
        "give the event a new `version` that `upcasts(..)` from the old one, and keep the old type; or, if nobody has \
         such messages or readers, `{BLESS}=breaking cargo test`"
    )
}

/// What of `new` breaks those who know `old`, a line for each; empty if nothing does.
fn broken(old: &Manifest, new: &Manifest) -> String {
    let mut text = String::new();
    let _ = (old, new, write!(text, ""));
    text
}

/// Every example is what its schema says.
fn check_examples(_: &Manifest) -> Result<(), String> {
    Ok(())
}

/// Whole or not at all: a test that is ended in the middle leaves the old file.
fn write(file: &Path, text: &str) -> Result<(), String> {
    let wrong = |error: io::Error| format!("{} cannot be written: {error}", file.display());
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(wrong)?;
    }
    let mut beside = PathBuf::from(file);
    beside.set_extension(format!("json.{}", std::process::id()));
    fs::write(&beside, text).map_err(wrong)?;
    fs::rename(&beside, file).map_err(wrong)
}
