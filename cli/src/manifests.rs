//! Manifests from files and folders.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use typebus::manifest::Manifest;

use crate::error::Error;

/// A manifest, and where it was found.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: PathBuf,
    pub(crate) manifest: Manifest,
}

/// Every manifest of these files and folders, sorted by service, whatever the order of the arguments.
///
/// # Errors
/// Every file that cannot be read, each with its place and what to do.
pub(crate) fn read(places: &[PathBuf]) -> Result<Vec<Manifest>, Error> {
    Ok(read_sources(places)?.into_iter().map(|source| source.manifest).collect())
}

/// Likewise, each with its file.
///
/// # Errors
/// As for [`read`].
pub(crate) fn read_sources(places: &[PathBuf]) -> Result<Vec<Source>, Error> {
    let mut wrong = Vec::new();
    let mut sources = Vec::new();
    let mut known = BTreeSet::new();
    for place in places {
        match files(place) {
            Err(text) => wrong.push(text),
            Ok(files) => {
                // One that a folder holds and an argument names too is one.
                let new = files.into_iter().filter(|file| known.insert(fs::canonicalize(file).ok()));
                for file in new {
                    match read_one(&file) {
                        Ok(manifest) => sources.push(Source { file, manifest }),
                        Err(text) => wrong.push(text),
                    }
                }
            }
        }
    }
    if !wrong.is_empty() {
        return Err(Error::File(wrong.join("\n")));
    }
    sources.sort_by(|one, other| {
        (&one.manifest.service, &one.file).cmp(&(&other.manifest.service, &other.file))
    });
    Ok(sources)
}

fn read_one(file: &Path) -> Result<Manifest, String> {
    let shown = file.display();
    let text = fs::read_to_string(file).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    text.parse().map_err(|error| {
        format!("{shown}: {error}\n  take it from version control, or write it anew with `TYPEBUS_BLESS=1 cargo test`")
    })
}

/// The file itself, or what is in the folder, sorted.
fn files(place: &Path) -> Result<Vec<PathBuf>, String> {
    let shown = place.display();
    let kind = fs::metadata(place).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!(
            "{shown} is not there; name a file `typebus/<service>.json`, or a folder with such files under it"
        ),
        _ => format!("{shown} cannot be read: {error}"),
    })?;
    if !kind.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let mut found = Vec::new();
    walk(place, &mut found)?;
    if found.is_empty() {
        found = list(place)?.into_iter().filter(|path| is_json(path)).collect();
    }
    if found.is_empty() {
        return Err(format!(
            "in {shown} is no manifest: no *.json, neither in a folder `typebus` under it nor directly in it; in a \
             service's folder `TYPEBUS_BLESS=1 cargo test` writes one"
        ));
    }
    Ok(found)
}

/// Adds every JSON file of folders named `typebus`, but not what tools have put anywhere.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let is_ours = folder.file_name().is_some_and(|name| name == "typebus");
    for path in list(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_built = name.starts_with('.') || name == "target" || name == "node_modules";
        if path.is_dir() && !path.is_symlink() && !is_built {
            walk(&path, found)?;
        } else if is_ours && is_json(&path) {
            found.push(path);
        }
    }
    Ok(())
}

fn is_json(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|extension| extension == "json")
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let wrong = |error: io::Error| format!("{} cannot be read: {error}", folder.display());
    let entries = fs::read_dir(folder).map_err(wrong)?;
    let mut paths: Vec<_> =
        entries.map(|entry| Ok(entry.map_err(wrong)?.path())).collect::<Result<_, String>>()?;
    paths.sort_unstable();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        folder
    }

    fn service(name: &str) -> String {
        Manifest::new(name).to_string()
    }

    fn services(places: &[PathBuf]) -> Vec<String> {
        read(places).unwrap().into_iter().map(|manifest| manifest.service).collect()
    }

    #[test]
    fn a_folder_is_what_folders_named_typebus_hold() {
        let folder = make(&[
            ("one/typebus/shop.json", &service("shop")),
            ("two/typebus/billing.json", &service("billing")),
            ("package.json", "{}"),
            ("target/typebus/old.json", "{}"),
            ("one/typebus/notes.txt", "{}"),
        ]);
        let root = folder.path().to_owned();
        assert_eq!(services(std::slice::from_ref(&root)), ["billing", "shop"]);
        assert_eq!(services(&[root.join("one/typebus"), root.clone()]), ["billing", "shop"]);
    }

    #[test]
    fn a_folder_without_such_is_what_it_holds_itself() {
        let folder = make(&[("b.json", &service("b")), ("a.json", &service("a")), ("deep/c.json", "{}")]);
        assert_eq!(services(&[folder.path().to_owned()]), ["a", "b"]);
    }

    #[test]
    fn everything_that_cannot_be_read_is_told_at_once() {
        let folder = make(&[
            ("a.json", "{"),
            ("b.json", &service("b").replace("\"service\"", "\"servize\"")),
            ("empty/.keep", ""),
        ]);
        let root = folder.path();
        let places = [root.to_owned(), root.join("empty"), root.join("nowhere.json")];
        let wrong = read(&places).unwrap_err().to_string();
        for told in [
            "a.json: this is no manifest: EOF",
            "b.json: this is no manifest: `/service`: it is missing",
            "empty is no manifest",
            "nowhere.json is not there",
            "TYPEBUS_BLESS=1 cargo test",
        ] {
            assert!(wrong.contains(told), "{told}: {wrong}");
        }
    }
}
