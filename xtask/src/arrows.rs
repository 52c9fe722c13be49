//! Which module of the runtime may use which: dependencies point one way, down.
//!
//! The layers below say it. Every path that a file writes is followed, `use crate::..` as well as `crate::..`,
//! `super::..` and `self::..` anywhere in the code, and a path to a module that the layer may not see is an arrow that
//! points up. Tests inside the runtime are read like everything else.

mod paths;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use self::paths::{Named, Root};

/// Where the runtime is.
const SOURCES: &str = "runtime/src";

/// Modules that may see the same.
#[derive(Debug, Clone, Copy)]
struct Layer {
    name: &'static str,
    /// Names of modules in the crate's root. `backend/*` is every module inside `backend`.
    modules: &'static [&'static str],
    /// What they may use: modules, or whole layers by their name.
    sees: &'static [&'static str],
    /// Crates that they may not use, and the files in which they may.
    without: Option<Without>,
}

#[derive(Debug, Clone, Copy)]
struct Without {
    crates: &'static [&'static str],
    except_in: &'static str,
}

/// From the bottom to the top.
const LAYERS: &[Layer] = &[
    Layer {
        name: "the words",
        modules: &["clock", "duration", "error", "key", "message", "nearest", "policy", "secret", "topic"],
        sees: &[],
        without: None,
    },
    Layer { name: "the settings", modules: &["tuning"], sees: &["error", "policy"], without: None },
    Layer {
        name: "the contract",
        modules: &["backend"],
        sees: &["error", "message", "policy", "secret", "topic"],
        without: Some(Without { crates: &["serde", "serde_json"], except_in: "config.rs" }),
    },
    Layer {
        name: "the backends",
        modules: &["backend/*"],
        sees: &["backend", "backend/*", "duration", "error", "message", "policy", "secret", "topic"],
        without: Some(Without { crates: &["serde", "serde_json"], except_in: "config.rs" }),
    },
    Layer {
        name: "the handler's side",
        modules: &[
            "attempts",
            "codec",
            "dead_letter",
            "dedupe",
            "envelope",
            "event",
            "extract",
            "handler",
            "input",
            "layer",
            "metadata",
            "outcome",
            "outlet",
            "outputs",
            "prepared",
            "publish",
            "reply",
            "scope",
            "structured",
            "template",
        ],
        sees: &["the words", "the contract", "the handler's side"],
        without: None,
    },
    Layer {
        name: "the observers",
        modules: &["metrics", "opentelemetry"],
        sees: &["the words", "the handler's side"],
        without: None,
    },
    Layer {
        name: "the program",
        modules: &["check", "service", "topology"],
        sees: &["the words", "the handler's side", "the program"],
        without: None,
    },
    Layer {
        name: "the contracts of services",
        modules: &["manifest", "schema"],
        sees: &["the words", "the handler's side", "the program", "the contracts of services"],
        without: None,
    },
    Layer {
        name: "the configuration",
        modules: &["config"],
        sees: &["the words", "the settings", "the handler's side", "the program"],
        without: None,
    },
    Layer {
        name: "the dispatch",
        modules: &["dispatch"],
        sees: &["the words", "the settings", "the contract", "the handler's side"],
        without: None,
    },
    Layer {
        name: "the bus",
        modules: &[
            "bus",
            "dead_letters",
            "hooks",
            "names",
            "options",
            "plan",
            "provision",
            "readiness",
            "request",
            "running",
            "signal",
            "stats",
            "testing",
        ],
        sees: &[
            "the words",
            "the settings",
            "the contract",
            "the handler's side",
            "the program",
            "the contracts of services",
            "the configuration",
            "the dispatch",
            "the bus",
            "connect",
        ],
        without: None,
    },
    // The one module that knows which backends there are.
    Layer {
        name: "the connecting",
        modules: &["connect"],
        sees: &["the words", "the contract", "the backends", "the configuration"],
        without: None,
    },
    Layer {
        name: "the index",
        modules: &["prelude", "private"],
        sees: &["the words", "the handler's side", "the program", "the contracts of services", "the bus"],
        without: None,
    },
];

/// Reads the runtime's sources and reports every arrow that points up.
pub(crate) fn check(root: &Path) -> Result<()> {
    let sources = Sources::read(root)?;
    let (arrows, mistakes) = sources.judge(LAYERS);
    if !mistakes.is_empty() {
        bail!("{}", mistakes.iter().map(Mistake::to_string).collect::<Vec<_>>().join("\n"));
    }
    println!("{arrows} arrows between the modules of {SOURCES}, and none points up");
    Ok(())
}

/// All source files, by their path.
#[derive(Debug, Default)]
struct Sources(BTreeMap<PathBuf, String>);

/// Something to be changed, in the sources or in [`LAYERS`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Mistake {
    file: PathBuf,
    line: usize,
    text: String,
}

/// The names by which the crate's root re-exports its modules' items: `None` is an item of another crate.
type Exports = BTreeMap<String, Option<String>>;

impl Sources {
    fn read(root: &Path) -> Result<Self> {
        let mut sources = Self::default();
        let mut folders = vec![PathBuf::from(SOURCES)];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(root.join(&folder));
            for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
                let entry = entry?;
                let path = folder.join(entry.file_name());
                if entry.file_type()?.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = fs::read_to_string(root.join(&path));
                    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
                    sources.0.insert(path, text);
                }
            }
        }
        Ok(sources)
    }

    /// Counts the arrows, and lists the mistakes.
    fn judge(&self, layers: &[Layer]) -> (usize, Vec<Mistake>) {
        let modules: BTreeSet<Vec<String>> = self.0.keys().map(|path| module(path)).collect();
        let mut mistakes = unplaced(layers, &modules);
        let exports = self.exports(&modules, &mut mistakes);
        let mut arrows = 0;
        for (file, text) in &self.0 {
            let here = module(file);
            let Some(from) = node(&here) else { continue };
            let Some(layer) = layers.iter().find(|layer| layer.has(&from)) else { continue };
            for Named { line, root, segments, .. } in paths::read(text, &here, &modules) {
                let mistake = |text: String| Mistake { file: file.clone(), line, text };
                if root == Root::Elsewhere {
                    mistakes.extend(layer.refuses(&segments, file).map(mistake));
                    continue;
                }
                match target(&segments, &modules, &exports) {
                    Target::Module(to) if to == from => {}
                    Target::Module(to) => {
                        arrows += 1;
                        if !layer.may_use(&to, layers) {
                            mistakes.push(mistake(layer.points_up(&from, &to, layers)));
                        }
                    }
                    Target::Elsewhere => {}
                    Target::Unknown(name) => mistakes.push(mistake(format!(
                        "`crate::{name}` is no module, and not among what lib.rs re-exports by name; write the path \
                         of its module, so that the arrow can be seen"
                    ))),
                }
            }
        }
        mistakes.sort();
        mistakes.dedup();
        (arrows, mistakes)
    }

    /// Reads what lib.rs re-exports.
    fn exports(&self, modules: &BTreeSet<Vec<String>>, mistakes: &mut Vec<Mistake>) -> Exports {
        let mut exports = Exports::new();
        let Some((file, text)) = self.0.iter().find(|(file, _)| module(file).is_empty()) else {
            return exports;
        };
        for Named { line, root, segments, renamed } in paths::read(text, &[], modules) {
            let Some(name) = renamed.as_ref().or(segments.last()) else { continue };
            if name == "*" {
                let text = "a glob in lib.rs hides which modules its items are from; re-export them by name";
                mistakes.push(Mistake { file: file.clone(), line, text: text.to_owned() });
                continue;
            }
            match owner(&segments, modules).filter(|_| root == Root::Crate) {
                Some(module) => _ = exports.insert(name.clone(), Some(module)),
                None => _ = exports.entry(name.clone()).or_insert(None),
            }
        }
        exports
    }
}

/// What a path of this crate leads to.
#[derive(Debug)]
enum Target {
    Module(String),
    Elsewhere,
    Unknown(String),
}

fn target(segments: &[String], modules: &BTreeSet<Vec<String>>, exports: &Exports) -> Target {
    if let Some(module) = owner(segments, modules) {
        return Target::Module(module);
    }
    match segments.first().map(|name| (name, exports.get(name))) {
        // `use super::*` in a module that is written into lib.rs.
        None => Target::Elsewhere,
        Some((_, Some(Some(module)))) => Target::Module(module.clone()),
        Some((_, Some(None))) => Target::Elsewhere,
        Some((name, None)) => Target::Unknown(name.clone()),
    }
}

/// The module in which a path ends.
fn owner(segments: &[String], modules: &BTreeSet<Vec<String>>) -> Option<String> {
    let paths = (1..=segments.len()).rev().map(|len| &segments[..len]);
    paths.filter(|path| modules.contains(*path)).find_map(node)
}

/// The module of a file, from the crate's root: `backend/memory/mod.rs` is `backend::memory`.
fn module(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix(SOURCES).unwrap_or(file).with_extension("");
    let mut module: Vec<String> = inside.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

/// What a module counts as: the one of the crate's root in which it is, or a backend. None for the root itself.
fn node(module: &[String]) -> Option<String> {
    match module {
        [] => None,
        [first, second, ..] if first == "backend" => Some(format!("{first}/{second}")),
        [first, ..] => Some(first.clone()),
    }
}

/// Modules without a layer, and entries of layers without a module.
fn unplaced(layers: &[Layer], modules: &BTreeSet<Vec<String>>) -> Vec<Mistake> {
    let table = |text: String| Mistake { file: PathBuf::from("xtask/src/arrows.rs"), line: 0, text };
    let nodes: BTreeSet<String> = modules.iter().filter_map(|module| node(module)).collect();
    let mut mistakes: Vec<Mistake> = nodes
        .iter()
        .filter(|node| !layers.iter().any(|layer| layer.has(node)))
        .map(|node| table(format!("module `{node}` has no layer; put it into one of LAYERS")))
        .collect();
    for entry in layers.iter().flat_map(|layer| layer.modules) {
        if !nodes.iter().any(|node| is(entry, node)) {
            mistakes.push(table(format!("LAYERS names the module `{entry}`, which does not exist")));
        }
    }
    mistakes
}

/// Whether an entry of a layer means this module.
fn is(entry: &str, node: &str) -> bool {
    match entry.strip_suffix('*') {
        Some(folder) => node.starts_with(folder),
        None => entry == node,
    }
}

impl Layer {
    fn has(&self, node: &str) -> bool {
        self.modules.iter().any(|entry| is(entry, node))
    }

    fn may_use(&self, node: &str, layers: &[Self]) -> bool {
        self.allowed(layers).into_iter().any(|entry| is(entry, node))
    }

    /// The modules that may be used.
    fn allowed(&self, layers: &[Self]) -> BTreeSet<&'static str> {
        let whole = |name: &&'static str| match layers.iter().find(|layer| layer.name == *name) {
            Some(layer) => layer.modules.to_vec(),
            None => vec![*name],
        };
        self.sees.iter().flat_map(whole).collect()
    }

    fn points_up(&self, from: &str, to: &str, layers: &[Self]) -> String {
        let above = layers.iter().find(|layer| layer.has(to)).map_or("nowhere", |layer| layer.name);
        let allowed: Vec<&str> = self.allowed(layers).into_iter().filter(|entry| *entry != from).collect();
        let allowed = if allowed.is_empty() { "no other module".to_owned() } else { allowed.join(", ") };
        format!("`{from}` ({}) uses `{to}` ({above}); it may use {allowed}", self.name)
    }

    /// Says why a path to another crate is wrong.
    fn refuses(&self, segments: &[String], file: &Path) -> Option<String> {
        let Without { crates, except_in } = self.without?;
        let name = segments.first().filter(|name| crates.contains(&name.as_str()))?;
        let excepted = file.file_name().is_some_and(|name| name == except_in);
        (!excepted).then(|| format!("{} use `{name}` nowhere but in {except_in}", self.name))
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, text } = self;
        match line {
            0 => write!(f, "{}: {text}", file.display()),
            line => write!(f, "{}:{line}: {text}", file.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small crate in which every arrow points down.
    fn good() -> Vec<(&'static str, &'static str)> {
        vec![
            (
                "lib.rs",
                "pub mod backend;\nmod bus;\nmod words;\npub use bus::Bus;\npub use words::{Error, Word as W};",
            ),
            ("words.rs", "pub struct Error;"),
            ("backend.rs", "pub mod memory;\nuse crate::words::Error;"),
            (
                "backend/memory/mod.rs",
                "mod config;\nuse super::Consumer;\nuse crate::{Error, backend::Delivery};",
            ),
            ("backend/memory/config.rs", "use super::Broker;\nuse serde::Deserialize;"),
            (
                "bus.rs",
                "use crate::{backend::{memory::Memory, self}, words};\nfn f() -> crate::Error { crate::W }",
            ),
        ]
    }

    const SMALL: &[Layer] = &[
        Layer { name: "the words", modules: &["words"], sees: &[], without: None },
        Layer { name: "the contract", modules: &["backend"], sees: &["the words"], without: None },
        Layer {
            name: "the backends",
            modules: &["backend/*"],
            sees: &["backend", "words"],
            without: Some(Without { crates: &["serde"], except_in: "config.rs" }),
        },
        Layer {
            name: "the bus",
            modules: &["bus"],
            sees: &["the words", "the contract", "the backends"],
            without: None,
        },
    ];

    /// What is wrong after `file` is replaced or added.
    fn mistakes(file: &'static str, text: &'static str) -> Vec<String> {
        let files = good().into_iter().filter(|(name, _)| *name != file).chain([(file, text)]);
        let sources = files.map(|(name, text)| (Path::new(SOURCES).join(name), text.to_owned()));
        let (_, mistakes) = Sources(sources.collect()).judge(SMALL);
        mistakes.iter().map(Mistake::to_string).collect()
    }

    #[test]
    fn arrows_that_point_down_are_fine() {
        let (name, text) = good()[0];
        assert_eq!(mistakes(name, text), [""; 0]);
        let sources = good().into_iter().map(|(name, text)| (Path::new(SOURCES).join(name), text.to_owned()));
        assert_eq!(Sources(sources.collect()).judge(SMALL).0, 9);
    }

    #[test]
    fn an_arrow_that_points_up_is_shown_with_its_place_and_what_is_allowed() {
        assert_eq!(
            mistakes(
                "backend/memory/mod.rs",
                "mod config;\n\nuse crate::{\n    Error,\n    bus::{Core, Runs},\n};"
            ),
            [
                "runtime/src/backend/memory/mod.rs:5: `backend/memory` (the backends) uses `bus` (the bus); it may use \
              backend, words"
            ]
        );
        assert_eq!(
            mistakes("words.rs", "fn f(_: &str) {\n    super::backend::g();\n}"),
            [
                "runtime/src/words.rs:2: `words` (the words) uses `backend` (the contract); it may use no other module"
            ]
        );
    }

    #[test]
    fn a_path_hides_nowhere() {
        let hides = |file, text| assert_eq!(mistakes(file, text).len(), 1, "{text}");
        // Through the root's index, in an expression, through `super`, with a rename, in a test, in a macro.
        hides("words.rs", "use crate::Bus;");
        hides("words.rs", "fn f() { let x = vec![crate::bus::new()]; }");
        hides("words.rs", "use super::bus::Bus;");
        hides("words.rs", "use crate as root;");
        hides("words.rs", "use crate::{self as root};");
        hides("words.rs", "use crate::*;");
        hides("words.rs", "use crate::bus as other;");
        hides("words.rs", "#[cfg(test)] mod tests { use super::super::bus::Bus; }");
        hides("words.rs", "macro_rules! m { () => { $crate::bus::new() } }");
        hides("backend/memory/config.rs", "use super::super::super::bus::Bus;");
        hides("backend.rs", "pub use memory::Memory;");
        hides("backend.rs", "pub use self::memory::Memory;");
        // By no other name.
        hides("words.rs", "use crate::Secret;");
        hides("lib.rs", "pub use bus::{Bus, *};\npub use words::{Error, Word as W};");
    }

    #[test]
    fn what_only_looks_like_a_path_is_none() {
        for text in [
            "//! [`Bus`](crate::bus::Bus)\n/* use crate::bus::Bus; /* nested */ use crate::bus; */",
            "const TEXT: &str = \"use crate::bus::Bus; \\\" crate::bus::x\";",
            "const TEXT: &str = r#\"crate::bus \" crate::bus::x\"#; const C: char = '\"';",
            "pub(crate) fn f<'a>(x: &'a str) -> &'a str { x }",
            "pub(in crate::words) fn f() { other::bus::g(); bus::g() }",
        ] {
            assert_eq!(mistakes("words.rs", text), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_backend_uses_serde_in_its_config_alone() {
        assert_eq!(
            mistakes("backend/memory/mod.rs", "fn f<T: ::serde::Serialize>() {}"),
            ["runtime/src/backend/memory/mod.rs:1: the backends use `serde` nowhere but in config.rs"]
        );
    }

    #[test]
    fn every_module_has_a_layer_and_every_entry_a_module() {
        assert_eq!(
            mistakes("extra.rs", ""),
            ["xtask/src/arrows.rs: module `extra` has no layer; put it into one of LAYERS"]
        );
        let without = good().into_iter().filter(|(name, _)| !name.starts_with("backend/"));
        let sources =
            without.map(|(name, text)| (Path::new(SOURCES).join(name), text.replace("memory::Memory", "x")));
        let (_, mistakes) = Sources(sources.collect()).judge(SMALL);
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert!(mistakes[0].text.contains("`backend/*`, which does not exist"));
    }

    #[test]
    fn the_runtime_keeps_its_layers() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        if let Err(error) = check(&root) {
            panic!("{error}");
        }
    }
}
