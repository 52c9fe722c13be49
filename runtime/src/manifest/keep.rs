//! The file beside the code: compared by the test that `service!` generates, and rewritten when that is asked for.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{Manifest, lines};
use crate::{schema, service::Service};

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
    let all = old.diff(new);
    let all = all.iter().filter(|difference| difference.breaks());
    all.map(|difference| format!("\n{difference}")).collect()
}

/// Every example is what its schema says. All that are not are told, with every place that is wrong.
fn check_examples(manifest: &Manifest) -> Result<(), String> {
    let mut text = String::new();
    for (kind, event) in &manifest.events {
        let of_event = event.schema.iter().map(|schema| (format!("`{kind}`"), schema));
        let of_reply = event
            .reply
            .iter()
            .map(|reply| (format!("`{}`, which answers `{kind}`,", reply.name), &reply.schema));
        for (whose, schema) in of_event.chain(of_reply) {
            let examples = schema.get("examples").and_then(Value::as_array).into_iter().flatten();
            for (number, example) in (1..).zip(examples) {
                for wrong in schema::validate(schema, example) {
                    // The whole of an example has no name of its own.
                    let place =
                        if wrong.place.is_empty() { String::new() } else { format!("{}: ", wrong.place) };
                    let _ = write!(
                        text,
                        "\nexample {number} of {whose} is not what its schema says: {place}{}",
                        wrong.why
                    );
                }
            }
        }
    }
    if text.is_empty() {
        return Ok(());
    }
    Err(format!("the service `{}` has examples that nobody could read:{text}", manifest.service))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::{EventContract, HandlerContract};

    /// A folder of its own, which is gone at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            Self(std::env::temp_dir().join(format!("typebus-keep-{:016x}", fastrand::u64(..))))
        }

        fn file(&self) -> PathBuf {
            self.0.join("typebus").join("shop.json")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn manifest(schema: serde_json::Value) -> Manifest {
        let mut order = EventContract::new("order.placed", 1, "shop.orders");
        order.schema = Some(schema);
        let mut charge = HandlerContract::new("shop");
        (charge.topics, charge.events) = (vec!["shop.orders".to_owned()], vec![order.kind()]);
        let mut manifest = Manifest::new("shop");
        manifest.events.insert(order.kind(), order);
        manifest.handlers.insert("charge".to_owned(), charge);
        manifest.publishes.push("order.placed.v1".to_owned());
        manifest
    }

    fn order() -> serde_json::Value {
        json!({
            "type": "object",
            "properties": { "id": { "type": "string" }, "note": { "type": "string" } },
            "required": ["id"],
            "examples": [{ "id": "o-1" }],
        })
    }

    #[test]
    fn a_manifest_is_written_when_asked_for_and_compared_from_then_on() {
        let (folder, manifest) = (Folder::new(), manifest(order()));
        let missing = keep(&manifest, &folder.file(), Bless::No).unwrap_err();
        assert!(
            missing.contains("`shop` has no manifest yet: `TYPEBUS_BLESS=1 cargo test` writes"),
            "{missing}"
        );
        assert_eq!(keep(&manifest, &folder.file(), Bless::Yes), Ok(Kept::Written(String::new())));
        assert_eq!(keep(&manifest, &folder.file(), Bless::No), Ok(Kept::AsItWas));
        let text = fs::read_to_string(folder.file()).unwrap();
        fs::write(folder.file(), text.replace('\n', "\r\n")).unwrap();
        assert_eq!(keep(&manifest, &folder.file(), Bless::No), Ok(Kept::AsItWas));
        assert_eq!(fs::read_dir(folder.file().parent().unwrap()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn what_differs_is_shown_and_rewritten_if_nobody_is_broken() {
        let (folder, old) = (Folder::new(), manifest(order()));
        keep(&old, &folder.file(), Bless::Yes).unwrap();
        let mut schema = order();
        schema["properties"]["gift"] = json!({ "type": "boolean" });
        let new = manifest(schema);
        let wrong = keep(&new, &folder.file(), Bless::No).unwrap_err();
        assert!(
            wrong.contains("+           \"gift\": {\n+             \"type\": \"boolean\"\n+           },\n"),
            "{wrong}"
        );
        assert!(wrong.contains("`TYPEBUS_BLESS=1 cargo test` rewrites it"), "{wrong}");
        assert_eq!(keep(&new, &folder.file(), Bless::Yes), Ok(Kept::Written(String::new())));
        assert_eq!(keep(&new, &folder.file(), Bless::No), Ok(Kept::AsItWas));
    }

    #[test]
    fn what_breaks_somebody_is_refused_unless_that_is_asked_for() {
        let (folder, old) = (Folder::new(), manifest(order()));
        keep(&old, &folder.file(), Bless::Yes).unwrap();
        let mut schema = order();
        schema["required"] = json!(["id", "note"]);
        schema["examples"] = json!([]);
        let new = manifest(schema);
        for bless in [Bless::No, Bless::Yes] {
            let wrong = keep(&new, &folder.file(), bless).unwrap_err();
            assert!(wrong.contains("older messages or older readers would not survive this"), "{wrong}");
            assert!(wrong.contains("order.placed.v1") && wrong.contains("note"), "{wrong}");
            assert!(wrong.contains("`TYPEBUS_BLESS=breaking cargo test`"), "{wrong}");
        }
        assert_eq!(keep(&old, &folder.file(), Bless::No), Ok(Kept::AsItWas), "the file is as it was");
        let Ok(Kept::Written(broken)) = keep(&new, &folder.file(), Bless::Breaking) else { panic!() };
        assert!(broken.contains("note"), "{broken}");
        assert_eq!(keep(&new, &folder.file(), Bless::No), Ok(Kept::AsItWas));
    }

    #[test]
    fn an_example_that_is_none_is_refused_whatever_is_asked_for() {
        let folder = Folder::new();
        let mut schema = order();
        schema["examples"] = json!([{ "id": "o-1" }, { "id": 7 }]);
        for bless in [Bless::No, Bless::Yes, Bless::Breaking] {
            let wrong = keep(&manifest(schema.clone()), &folder.file(), bless).unwrap_err();
            assert!(wrong.contains("example 2 of `order.placed.v1`") && wrong.contains("/id"), "{wrong}");
        }
        assert!(!folder.file().exists());
    }

    #[test]
    fn a_file_that_is_no_manifest_is_not_overwritten_by_chance() {
        let folder = Folder::new();
        fs::create_dir_all(folder.file().parent().unwrap()).unwrap();
        fs::write(folder.file(), "<<<<<<< HEAD\n").unwrap();
        let manifest = manifest(order());
        for bless in [Bless::No, Bless::Yes] {
            let wrong = keep(&manifest, &folder.file(), bless).unwrap_err();
            assert!(wrong.contains("take it from version control again"), "{wrong}");
        }
        assert_eq!(keep(&manifest, &folder.file(), Bless::Breaking), Ok(Kept::Written(String::new())));
    }

    #[test]
    fn a_word_that_nobody_knows_blesses_nothing() {
        assert_eq!(Bless::read("1"), Ok(Bless::Yes));
        assert_eq!(Bless::read("breaking"), Ok(Bless::Breaking));
        assert!(Bless::read("yes").unwrap_err().contains("it is 1, or `breaking`"));
    }
}
