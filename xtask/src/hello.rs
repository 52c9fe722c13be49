//! The first thing anyone builds: `hello` stays small.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell::Shell;

/// `cargo build --example hello` from nothing compiles fewer crates than this, its own among them.
const MAX_CRATES: usize = 60;

/// Crates whose business is to compile C, or to find it.
pub(crate) const FOR_C: [&str; 8] =
    ["autotools", "bindgen", "cc", "cmake", "nasm-rs", "pkg-config", "system-deps", "vcpkg"];

pub(crate) fn check(shell: &Shell) -> Result<()> {
    let messages = shell
        .cargo([
            "build",
            "-p",
            "typebus-examples",
            "--example",
            "hello",
            "--message-format",
            "json-render-diagnostics",
        ])
        .output()?;
    let metadata = shell.cargo(["metadata", "--format-version", "1"]).output()?;
    let built = Built::read(&messages)?;
    let links = links(&metadata)?;
    println!("hello is built from {} crates: {}", built.crates.len(), built.names().join(" "));
    let problems = problems(&built, &links);
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    shell.cargo(["run", "--quiet", "-p", "typebus-examples", "--example", "hello"]).run()
}

/// What cargo says that it built.
#[derive(Debug, Default)]
struct Built {
    /// Package ids with the names of their crates.
    crates: BTreeMap<String, String>,
    /// Package ids whose build scripts link native libraries, with those.
    native: BTreeMap<String, String>,
}

impl Built {
    /// Reads one JSON message per line.
    fn read(messages: &[u8]) -> Result<Self> {
        let mut built = Self::default();
        for line in messages.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{")) {
            let message: Value = serde_json::from_slice(line).context("cargo's messages are not JSON")?;
            let (reason, Some(id)) = (message["reason"].as_str(), message["package_id"].as_str()) else {
                continue;
            };
            match reason {
                Some("compiler-artifact") => {
                    let name = message["target"]["name"].as_str().unwrap_or(id);
                    // The crate itself rather than its build script.
                    let is_script = name.starts_with("build-script-");
                    let entry = built.crates.entry(id.to_owned()).or_default();
                    if entry.is_empty() || !is_script {
                        *entry = name.to_owned();
                    }
                }
                Some("build-script-executed") => {
                    let libs = message["linked_libs"].as_array().into_iter().flatten();
                    let libs: Vec<&str> = libs.filter_map(Value::as_str).collect();
                    if !libs.is_empty() {
                        built.native.insert(id.to_owned(), libs.join(", "));
                    }
                }
                _ => {}
            }
        }
        if built.crates.is_empty() {
            bail!("cargo named nothing that it built");
        }
        Ok(built)
    }

    fn names(&self) -> Vec<&str> {
        self.crates.values().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Package ids with `links`, and what they link.
fn links(metadata: &[u8]) -> Result<BTreeMap<String, String>> {
    let metadata: Value = serde_json::from_slice(metadata).context("cargo's metadata is not JSON")?;
    let packages = metadata["packages"].as_array().context("cargo's metadata has no packages")?;
    let links = packages.iter().filter_map(|package| {
        let text = |field: &str| package[field].as_str().map(str::to_owned);
        Some((text("id")?, text("links")?))
    });
    Ok(links.collect())
}

fn problems(built: &Built, links: &BTreeMap<String, String>) -> Vec<String> {
    let mut problems = Vec::new();
    let count = built.crates.len();
    if count >= MAX_CRATES {
        problems.push(format!("hello is built from {count} crates; fewer than {MAX_CRATES} are promised"));
    }
    for (id, name) in &built.crates {
        if FOR_C.contains(&name.replace('_', "-").as_str()) {
            problems.push(format!("hello builds `{name}`, which is there for C code"));
        }
        if let Some(library) = links.get(id) {
            problems.push(format!("hello builds `{name}`, whose `links` is the library {library}"));
        }
        if let Some(libraries) = built.native.get(id) {
            problems.push(format!("hello builds `{name}`, whose build script links {libraries}"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = r#"
{"reason":"compiler-artifact","package_id":"r#serde@1.0.0","target":{"name":"build-script-build"}}
{"reason":"build-script-executed","package_id":"r#serde@1.0.0","linked_libs":[]}
{"reason":"compiler-artifact","package_id":"r#serde@1.0.0","target":{"name":"serde"}}
{"reason":"compiler-artifact","package_id":"r#cc@1.0.0","target":{"name":"cc"}}
{"reason":"build-script-executed","package_id":"r#zstd-sys@2.0.0","linked_libs":["static=zstd"]}
{"reason":"compiler-artifact","package_id":"r#zstd-sys@2.0.0","target":{"name":"zstd_sys"}}
{"reason":"build-finished","success":true}
"#;
    const METADATA: &str = r#"{"packages":[
        {"id":"r#zstd-sys@2.0.0","links":"zstd"}, {"id":"r#serde@1.0.0","links":null}, {"id":"r#other@1.0.0","links":"x"}
    ]}"#;

    #[test]
    fn c_code_is_found_in_three_ways() {
        let built = Built::read(MESSAGES.as_bytes()).unwrap();
        assert_eq!(built.names(), ["cc", "serde", "zstd_sys"]);
        assert_eq!(
            problems(&built, &links(METADATA.as_bytes()).unwrap()),
            [
                "hello builds `cc`, which is there for C code",
                "hello builds `zstd_sys`, whose `links` is the library zstd",
                "hello builds `zstd_sys`, whose build script links static=zstd",
            ]
        );
    }

    #[test]
    fn sixty_crates_are_too_many() {
        let of = |count: usize| Built {
            crates: (0..count).map(|nth| (format!("id{nth}"), format!("crate{nth}"))).collect(),
            ..Built::default()
        };
        assert_eq!(problems(&of(59), &BTreeMap::new()), [""; 0]);
        assert_eq!(
            problems(&of(60), &BTreeMap::new()),
            ["hello is built from 60 crates; fewer than 60 are promised"]
        );
    }
}
