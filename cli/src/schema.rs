//! `typebus schema`: the JSON Schema of every event.

use std::path::PathBuf;

use crate::{
    error::{Error, Exit},
    manifests,
    output::Out,
};

/// Write the JSON Schema of every event in every version
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files `typebus/<service>.json`, or folders
    #[arg(value_name = "MANIFEST", required = true)]
    manifests: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args, out: Out<'_>) -> Result<Exit, Error> {
    let manifests = manifests::read(&args.manifests)?;
    write!(out, "{}", manifests.len())?;
    Ok(Exit::Fine)
}
