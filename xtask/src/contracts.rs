//! What `typebus asyncapi` writes is accepted by AsyncAPI's own parser; and the command is built without C.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{hello, shell::Shell};

/// Where the parser is pinned, and where what it accepted is recorded.
const PARSER: &str = "cli/tests/asyncapi";
const RECORD: &str = "cli/tests/asyncapi/accepted.json";
/// Has the record written anew.
const BLESS: &str = "TYPEBUS_BLESS";

/// Folders with manifests.
const PLACES: [(&str, &str); 4] = [
    ("samples", "cli/tests/manifests"),
    ("webhooks", "examples/webhooks/typebus"),
    ("axum", "examples/axum/typebus"),
    ("outbox", "examples/outbox/typebus"),
];

/// Servers, by what a document is called that names them.
const SERVERS: [(&str, &[&str]); 6] = [
    ("plain", &[]),
    ("kafka", &["kafkas://shop:secret@one.example,two.example:9094?sasl=scram-sha-512"]),
    ("rabbitmq", &["amqp://shop:secret@rabbit.example/shop"]),
    ("nats", &["tls://nats.example?token=secret"]),
    ("pulsar", &["pulsar://pulsar.example/shop/orders"]),
    (
        "all",
        &["kafka://one.example", "amqps://rabbit.example", "nats://nats.example", "pulsar://pulsar.example"],
    ),
];

pub(crate) fn check(shell: &Shell) -> Result<()> {
    without_c(shell)?;
    let folder = target(shell)?.join("contracts");
    let documents = folder.join("documents");
    let written = write(shell, &documents)?;
    let bless = std::env::var(BLESS).is_ok_and(|bless| bless == "1");
    match install(shell, &folder.join("parser")) {
        Ok(parser) => {
            let script = parser.join("accept.mjs");
            shell.program("node").args([text(&script)?, text(&documents)?]).run()?;
            let version = version(&parser)?;
            println!("@asyncapi/parser {version} accepts all {} documents", written.len());
            keep(&shell.root().join(RECORD), &version, &written, bless)
        }
        Err(missing) if bless => Err(missing.context("without the parser nothing can be recorded")),
        Err(missing) => {
            println!("the parser cannot be had ({missing:#}); what it accepted before counts");
            let version = compare(&shell.root().join(RECORD), &written)?;
            println!("all {} documents are those that @asyncapi/parser {version} accepted", written.len());
            Ok(())
        }
    }
}

/// A checksum of each document, by its name.
type Written = BTreeMap<String, String>;

fn without_c(shell: &Shell) -> Result<()> {
    let tree = [
        "tree",
        "--quiet",
        "-p",
        "typebus-cli",
        "-e",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{lib}",
    ];
    let tree = shell.cargo(tree).output()?;
    let tree = String::from_utf8_lossy(&tree);
    let found: Vec<_> =
        hello::FOR_C.iter().filter(|name| tree.lines().any(|line| line == name.replace('-', "_"))).collect();
    if !found.is_empty() {
        bail!("the command is built with {found:?}: its default build needs a compiler for C");
    }
    Ok(())
}

fn write(shell: &Shell, folder: &Path) -> Result<Written> {
    if folder.exists() {
        fs::remove_dir_all(folder).context("cannot remove the documents of before")?;
    }
    fs::create_dir_all(folder)?;
    // Shown once, with what the compiler says.
    shell.cargo(["build", "--quiet", "-p", "typebus-cli"]).run()?;
    let mut written = Written::new();
    for (place, manifests) in PLACES {
        // The samples have each broker alone; a large document with all of them has what each would have.
        let is_tried = |name: &str| place == "samples" || ["plain", "all"].contains(&name);
        for (name, servers) in SERVERS.into_iter().filter(|(name, _)| is_tried(name)) {
            for format in ["json", "yaml"] {
                let file = format!("{place}.{name}.{format}");
                let servers = servers.iter().flat_map(|server| ["--server", server]);
                let command =
                    ["run", "--quiet", "-p", "typebus-cli", "--", "asyncapi", manifests, "--format", format];
                let document = shell.cargo(command).args(servers).quiet().output()?;
                fs::write(folder.join(&file), &document)?;
                written.insert(file, checksum(&document));
            }
        }
    }
    Ok(written)
}

/// The parser in a folder, as its lock file says.
fn install(shell: &Shell, folder: &Path) -> Result<PathBuf> {
    for program in ["node", "npm"] {
        if !shell.program(program).args(["--version"]).works() {
            bail!("{program} is missing");
        }
    }
    fs::create_dir_all(folder)?;
    for name in ["package.json", "package-lock.json", "accept.mjs"] {
        fs::copy(shell.root().join(PARSER).join(name), folder.join(name))?;
    }
    let stamp = folder.join("installed");
    let wanted = checksum(&fs::read(folder.join("package-lock.json"))?);
    if fs::read_to_string(&stamp).ok().as_ref() != Some(&wanted) {
        let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"];
        shell.program("npm").args(install).args([text(folder)?]).run()?;
        fs::write(stamp, wanted)?;
    }
    Ok(folder.to_owned())
}

/// Which parser it is.
fn version(folder: &Path) -> Result<String> {
    let package = fs::read(folder.join("node_modules/@asyncapi/parser/package.json"))?;
    let package: Value = serde_json::from_slice(&package)?;
    Ok(package["version"].as_str().context("the parser does not say its version")?.to_owned())
}

/// What was accepted now is what the record says, or becomes that.
fn keep(record: &Path, version: &str, written: &Written, bless: bool) -> Result<()> {
    if bless {
        let text = format!("{:#}\n", json!({"documents": written, "parser": version}));
        fs::write(record, text).with_context(|| format!("cannot write {}", record.display()))?;
        println!("{RECORD} is written");
        return Ok(());
    }
    compare(record, written).map(drop).context(
        "the parser accepts the documents, and they are not those of the record, which counts where there is no node: \
         `TYPEBUS_BLESS=1 cargo xtask test --only contracts` records them",
    )
}

/// Whether the record has the same documents; and which parser it is of.
fn compare(record: &Path, written: &Written) -> Result<String> {
    let recorded = fs::read(record).with_context(|| format!("cannot read {}", record.display()))?;
    let recorded: Value = serde_json::from_slice(&recorded)?;
    let known: Written =
        serde_json::from_value(recorded["documents"].clone()).context("the record has no documents")?;
    let version = recorded["parser"].as_str().context("the record does not say which parser it is of")?;
    let names = known.keys().chain(written.keys()).filter(|name| known.get(*name) != written.get(*name));
    let mut other: Vec<_> = names.map(String::as_str).collect();
    other.sort_unstable();
    other.dedup();
    if !other.is_empty() {
        bail!("nobody knows whether the parser of AsyncAPI accepts {}", other.join(", "));
    }
    Ok(version.to_owned())
}

/// FNV-1a: it shows that something is different, and is no defence against whoever wants to hide that.
fn checksum(bytes: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

fn target(shell: &Shell) -> Result<PathBuf> {
    let metadata = shell.cargo(["metadata", "--format-version", "1", "--no-deps"]).quiet().output()?;
    let metadata: Value = serde_json::from_slice(&metadata).context("cargo's metadata is not JSON")?;
    Ok(metadata["target_directory"].as_str().context("cargo's metadata has no target directory")?.into())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(text: &str) -> Written {
        [("shop.kafka.json".to_owned(), checksum(text.as_bytes()))].into()
    }

    #[test]
    fn what_is_not_recorded_is_not_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join("accepted.json");
        assert!(keep(&record, "3.6.6", &documents("a"), false).is_err());
        keep(&record, "3.6.6", &documents("a"), true).unwrap();
        assert_eq!(compare(&record, &documents("a")).unwrap(), "3.6.6");
        let other = compare(&record, &documents("b")).unwrap_err().to_string();
        assert_eq!(other, "nobody knows whether the parser of AsyncAPI accepts shop.kafka.json");
        let more = [("more.json".to_owned(), String::new())].into_iter().chain(documents("a")).collect();
        assert!(compare(&record, &more).unwrap_err().to_string().ends_with("accepts more.json"));
        let advice = format!("{:#}", keep(&record, "3.6.6", &documents("b"), false).unwrap_err());
        assert!(advice.contains("TYPEBUS_BLESS=1 cargo xtask test --only contracts"), "{advice}");
    }

    #[test]
    fn the_checksum_is_fnv_1a() {
        assert_eq!(
            (checksum(b""), checksum(b"foobar")),
            ("cbf29ce484222325".into(), "85944171f73967e8".into())
        );
    }
}
