//! The page of `typebus docs`, as a browser shows it and as a reader uses it.
//!
//! `cargo xtask test --only browser` brings Chromium. What the pages look like lies in `target/tmp/screenshots`
//! afterwards. The picture of the README is made by
//! `TYPEBUS_PICTURES=examples/webhooks/pictures cargo xtask test --only browser`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on panics")]

mod chromium;
mod look;
mod use_of_it;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use self::chromium::Chromium;

/// A page that the command wrote.
struct Page {
    folder: TempDir,
}

impl Page {
    /// Of the manifests in a folder of the repository.
    fn of(manifests: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(manifests);
        let mut command = Command::new(env!("CARGO_BIN_EXE_typebus"));
        let status =
            command.arg("docs").arg(manifests).arg("-o").arg(folder.path().join("page.html")).status();
        assert!(status.unwrap().success());
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("page.html")
    }
}

/// The sample manifests' page in a browser.
fn sample() -> (Chromium, Page) {
    let page = Page::of("cli/tests/manifests");
    let mut chromium = Chromium::start();
    chromium.see(1280, 900, "light");
    chromium.open(&page.path(), "");
    (chromium, page)
}
