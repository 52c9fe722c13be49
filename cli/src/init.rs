//! `typebus init`: a new service, which compiles, runs, and passes its tests.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::{
    error::{Error, Exit},
    output::{self, Format, GOOD, Out},
};

/// Make a new service in a folder of its own
///
/// It compiles, `cargo run` shows it at work on a bus in its process, and `cargo test` passes, the test of its manifest
/// included.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the package is called; the service is called so too, with `-` for `_`
    name: String,

    /// The folder, which must not be there or be empty [default: NAME]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,

    /// For whom it is said what was made
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,

    /// Depend on the library in this folder instead of a released one
    #[arg(long, value_name = "DIR", hide = true)]
    typebus_path: Option<PathBuf>,
}

/// In the package: where each file goes, and what is in it. A `Cargo.toml` of its own would be another package to cargo.
const TEMPLATE: [(&str, &str); 4] = [
    ("Cargo.toml", include_str!("init/template/package.toml")),
    ("src/main.rs", include_str!("init/template/main.rs")),
    ("typebus/{{service}}.json", include_str!("init/template/manifest.json")),
    (".gitignore", "/target\n"),
];

/// What else may not be the name of a crate.
const TAKEN: [&str; 53] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typebus",
    "typeof",
    "unsafe",
    "use",
    "where",
];

/// # Errors
/// The name is none of a crate and a service, or the folder is not empty or cannot be written.
pub(crate) fn run(args: &Args, out: Out<'_>) -> Result<Exit, Error> {
    let names = Names::new(&args.name)?;
    let folder = args.path.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    refuse_what_is_there(&folder)?;
    let (typebus, for_tests) = dependencies(args.typebus_path.as_deref())?;
    let fill = |text: &str| {
        text.replace("{{name}}", &args.name)
            .replace("{{service}}", &names.service)
            .replace("{{type}}", &names.marker)
            .replace("{{typebus}}", &typebus)
            .replace("{{typebus-for-tests}}", &for_tests)
    };
    let mut made = Vec::new();
    for (file, text) in TEMPLATE {
        let file = folder.join(fill(file));
        output::save(&fill(text), &file)?;
        made.push(file);
    }
    match args.format {
        Format::Json => {
            let made: Vec<_> = made.iter().map(|file| file.display().to_string()).collect();
            let value =
                json!({"service": names.service, "folder": folder.display().to_string(), "files": made});
            out.write_all(output::pretty(&value).as_bytes())?;
        }
        Format::Text => {
            writeln!(out, "{GOOD}the service `{}` is in {}{GOOD:#}", names.service, folder.display())?;
            if let Some(workspace) = workspace_around(&folder) {
                writeln!(out, "  add it to the `members` of the workspace in {}", workspace.display())?;
            }
            writeln!(out, "  cd {} && cargo run && cargo test", folder.display())?;
        }
    }
    Ok(Exit::Fine)
}

/// A name in each of its forms.
#[derive(Debug)]
struct Names {
    /// A token of a topic, and a group.
    service: String,
    /// The Rust type.
    marker: String,
}

impl Names {
    fn new(name: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Err(Error::Use(format!("`{name}` cannot be the name of a service: {why}")));
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return wrong("it has to begin with a letter from a to z");
        }
        if let Some(other) = name.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-' && *c != '_') {
            return wrong(&format!("`{other}` is none of a-z, 0-9, `-` and `_`"));
        }
        if name.len() > 40 {
            return wrong("it has more than 40 characters");
        }
        if TAKEN.contains(&name.replace('-', "_").as_str()) {
            return wrong("the word has a meaning in Rust or is a crate that it needs");
        }
        let service = name.replace('_', "-");
        if ["dead", "reply"].contains(&service.as_str()) {
            return wrong("topics that begin with it are the bus's own");
        }
        let words = name.split(['-', '_']).filter(|word| !word.is_empty());
        let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
        Ok(Self { service, marker: words.map(capital).collect::<String>() + "Service" })
    }
}

fn refuse_what_is_there(folder: &Path) -> Result<(), Error> {
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::Use(format!(
            "{} is there and not empty; take another name, or another folder with `--path`",
            folder.display()
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::File(format!("{} cannot be used: {error}", folder.display()))),
    }
}

/// As they stand in Cargo.toml: for the program, and for its tests.
fn dependencies(library: Option<&Path>) -> Result<(String, String), Error> {
    let source = match library {
        None => format!("version = \"{}\"", env!("CARGO_PKG_VERSION")),
        Some(library) => {
            let found = fs::canonicalize(library);
            let found = found
                .map_err(|error| Error::File(format!("{} cannot be read: {error}", library.display())))?;
            format!("path = {:?}", found.display().to_string())
        }
    };
    Ok((format!("{{ {source} }}"), format!("{{ {source}, features = [\"test\"] }}")))
}

/// The Cargo.toml of a workspace above the folder: cargo wants to know about a package in it.
fn workspace_around(folder: &Path) -> Option<PathBuf> {
    let folder = env::current_dir().ok()?.join(folder);
    let mut above = folder.ancestors().skip(1).map(|folder| folder.join("Cargo.toml"));
    above.find(|file| {
        fs::read_to_string(file).is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_services_and_types() {
        for (name, service, marker) in [
            ("billing", "billing", "BillingService"),
            ("order_desk", "order-desk", "OrderDeskService"),
            ("a2-b__c", "a2-b--c", "A2BCService"),
        ] {
            let names = Names::new(name).unwrap();
            assert_eq!((names.service.as_str(), names.marker.as_str()), (service, marker));
        }
    }
}
