//! Every crate can be packaged, and what is packaged compiles.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell::Shell;

/// Cargo's own way to try packages that depend on each other keeps the first that it saw of a version, for ever, and
/// tries later ones against that. So the packages are unpacked here, into a workspace of their own.
pub(crate) fn check(shell: &Shell) -> Result<()> {
    // With what the lock file names: nothing here needs the network but this download.
    shell.cargo(["fetch", "--locked"]).run()?;
    shell.cargo(["package", "--workspace", "--allow-dirty", "--no-verify", "--offline"]).run()?;
    let metadata = shell.cargo(["metadata", "--format-version", "1", "--no-deps"]).output()?;
    let Workspace { target, packages } = Workspace::read(&metadata)?;
    let unpacked = target.join("packaged");
    if unpacked.exists() {
        fs::remove_dir_all(&unpacked).context("cannot remove what was unpacked before")?;
    }
    fs::create_dir_all(&unpacked)?;
    for Package { folder, .. } in &packages {
        let archive = target.join("package").join(format!("{folder}.crate"));
        let list = shell.program("tar").args(["-tzf", text(&archive)?]).output()?;
        let list = String::from_utf8_lossy(&list);
        let data: Vec<&str> = list.lines().filter(|path| is_data(path)).collect();
        if !data.is_empty() {
            bail!("the package {folder} holds the examples' data: {}", data.join(", "));
        }
        // Packages date from 2006; to cargo what is unpacked must be new.
        shell.program("tar").args(["-xzmf", text(&archive)?, "-C", text(&unpacked)?]).run()?;
    }
    fs::write(unpacked.join("Cargo.toml"), manifest(&packages)?)?;
    fs::copy(shell.root().join("Cargo.lock"), unpacked.join("Cargo.lock"))?;
    let manifest = unpacked.join("Cargo.toml");
    let check = ["check", "--workspace", "--lib", "--bins", "--examples", "--offline", "--manifest-path"];
    shell.cargo(check).args([text(&manifest)?]).run()
}

#[derive(Debug)]
struct Workspace {
    target: PathBuf,
    packages: Vec<Package>,
}

#[derive(Debug)]
struct Package {
    name: String,
    /// Name and version, as its archive and the folder inside are called.
    folder: String,
}

impl Workspace {
    fn read(metadata: &[u8]) -> Result<Self> {
        let metadata: Value = serde_json::from_slice(metadata).context("cargo's metadata is not JSON")?;
        let target =
            metadata["target_directory"].as_str().context("cargo's metadata has no target directory")?;
        let packages = metadata["packages"].as_array().context("cargo's metadata has no packages")?;
        let package = |package: &Value| {
            let (name, version) = (package["name"].as_str()?, package["version"].as_str()?);
            Some(Package { name: name.to_owned(), folder: format!("{name}-{version}") })
        };
        Ok(Self { target: target.into(), packages: packages.iter().filter_map(package).collect() })
    }
}

/// A workspace in which the packages find each other instead of a registry.
fn manifest(packages: &[Package]) -> Result<String> {
    let folders: Vec<String> = packages.iter().map(|package| format!("{:?}", package.folder)).collect();
    let mut manifest = format!("[workspace]\nresolver = \"3\"\nmembers = [{}]\n", folders.join(", "));
    writeln!(manifest, "\n[patch.crates-io]")?;
    // One that nobody depends on would be a warning.
    let needed = |package: &&Package| {
        ["typebus", "typebus-macros", "typebus-servers"].contains(&package.name.as_str())
    };
    for Package { name, folder } in packages.iter().filter(needed) {
        writeln!(manifest, "{name} = {{ path = {folder:?} }}")?;
    }
    Ok(manifest)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

/// Whether a packaged file is data: in a folder of that name, or a file of many lines of JSON.
fn is_data(path: &str) -> bool {
    path.ends_with(".ndjson") || path.split(['/', '\\']).any(|folder| folder == "data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_find_each_other() {
        let metadata = br#"{"target_directory": "t", "packages": [
            {"name": "typebus", "version": "0.1.0"}, {"name": "xtask", "version": "0.1.0"}
        ]}"#;
        let workspace = Workspace::read(metadata).unwrap();
        assert_eq!(
            manifest(&workspace.packages).unwrap(),
            "[workspace]\nresolver = \"3\"\nmembers = [\"typebus-0.1.0\", \"xtask-0.1.0\"]\n\n\
             [patch.crates-io]\ntypebus = { path = \"typebus-0.1.0\" }\n"
        );
    }

    #[test]
    fn data_is_known_by_its_folder_or_its_ending() {
        for (path, expected) in [
            ("data/README.md", true),
            ("webhooks/data/x", true),
            ("x.ndjson", true),
            ("src/data.rs", false),
            ("metadata/x", false),
        ] {
            assert_eq!(is_data(path), expected, "{path}");
        }
    }
}
