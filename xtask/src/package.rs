//! Every crate can be packaged.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell::Shell;

pub(crate) fn check(shell: &Shell) -> Result<()> {
    let metadata = shell.cargo(["metadata", "--format-version", "1", "--no-deps"]).output()?;
    for name in members(&metadata)? {
        let list = shell.cargo(["package", "--list", "--allow-dirty", "-p", &name]).output()?;
        let list = String::from_utf8_lossy(&list);
        let data: Vec<&str> = list.lines().filter(|path| is_data(path)).collect();
        if !data.is_empty() {
            bail!("the package of {name} would hold the examples' data: {}", data.join(", "));
        }
    }
    // The packages are built against each other, as they would be by those who download them, and with what the lock
    // file names: nothing here needs the network but this download.
    shell.cargo(["fetch", "--locked"]).run()?;
    shell.cargo(["package", "--workspace", "--allow-dirty", "--offline"]).run()
}

fn members(metadata: &[u8]) -> Result<Vec<String>> {
    let metadata: Value = serde_json::from_slice(metadata).context("cargo's metadata is not JSON")?;
    let packages = metadata["packages"].as_array().context("cargo's metadata has no packages")?;
    Ok(packages.iter().filter_map(|package| package["name"].as_str().map(str::to_owned)).collect())
}

/// Whether a packaged file is data: in a folder of that name, or a file of many lines of JSON.
fn is_data(path: &str) -> bool {
    path.ends_with(".ndjson") || path.split(['/', '\\']).any(|folder| folder == "data")
}

#[cfg(test)]
mod tests {
    use super::*;

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
