//! Where a server keeps its data.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

/// The folder of one server.
#[derive(Debug)]
pub(crate) enum Directory {
    /// Gone when the server is.
    Temporary(TempDir),
    /// Stays.
    Kept(PathBuf),
}

impl Directory {
    pub(crate) fn temporary(name: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(&format!("typebus-{name}-")).tempdir();
        Ok(Self::Temporary(folder.context("cannot make a folder for the data of a server")?))
    }

    /// This one, or one that is gone when the server is.
    pub(crate) fn of(name: &str, kept: Option<&Path>) -> Result<Self> {
        let Some(path) = kept else { return Self::temporary(name) };
        fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self::Kept(path.to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(path) => path,
        }
    }

    /// What has to be removed when nobody else can.
    pub(crate) fn temporary_path(&self) -> Option<&Path> {
        match self {
            Self::Temporary(folder) => Some(folder.path()),
            Self::Kept(_) => None,
        }
    }

    /// Writes a file in it and says where it is.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path().join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}
