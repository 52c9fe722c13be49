//! Chromium, told what to do over the two pipes of its DevTools protocol: a message is JSON with a zero byte at its end.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Nothing that is asked of it takes longer, also on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A browser with one page. It ends when this is dropped, and also when the test is killed: its pipes close then.
#[derive(Debug)]
pub(crate) struct Chromium {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    last: u64,
    /// Whatever happened and was not an answer.
    events: Vec<Value>,
    /// Removed when it has ended.
    profile: TempDir,
}

impl Chromium {
    pub(crate) fn start() -> Self {
        let profile = tempfile::tempdir().expect("a folder for the profile");
        // The browser reads from its third descriptor and writes to its fourth; a shell gives it our pipes as these.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>"$ERRORS""#, "sh", "chromium"])
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--hide-scrollbars", "--force-color-profile=srgb", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
            .arg("about:blank")
            .env("ERRORS", profile.path().join("errors"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let input = child.stdin.take().expect("a pipe to it");
        let output = child.stdout.take().expect("a pipe from it");
        let (sender, messages) = mpsc::channel();
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut message = Vec::new();
            while output.read_until(0, &mut message).is_ok_and(|length| length > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { break };
                if sender.send(value).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut chromium =
            Self { child, input, messages, session: None, last: 0, events: Vec::new(), profile };
        chromium.attach();
        chromium
    }

    /// Opens a file, and waits until it is loaded. A `fragment` begins with `#`.
    pub(crate) fn open(&mut self, page: &Path, fragment: &str) {
        // Else an address that differs in its fragment alone would load nothing.
        for url in ["about:blank".to_owned(), format!("file://{}{fragment}", page.display())] {
            self.events.retain(|event| event["method"] != "Page.loadEventFired");
            let answer = self.call("Page.navigate", json!({"url": url}));
            assert_eq!(answer.get("errorText"), None, "{url}");
            self.wait_for("Page.loadEventFired");
        }
    }

    /// How large the page is seen, and what its reader prefers: `light` or `dark`.
    pub(crate) fn see(&mut self, width: u32, height: u32, scheme: &str) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", scheme);
    }

    /// What a script comes to; promises are awaited.
    pub(crate) fn run(&mut self, script: &str) -> Value {
        let what =
            json!({"expression": script, "returnByValue": true, "awaitPromise": true, "userGesture": true});
        let answer = self.call("Runtime.evaluate", what);
        assert_eq!(answer.get("exceptionDetails"), None, "{script}");
        answer["result"]["value"].clone()
    }

    /// Waits until a script comes to this.
    pub(crate) fn until(&mut self, script: &str, expected: &Value) {
        let end = Instant::now() + DEADLINE;
        loop {
            let found = self.run(script);
            if found == *expected {
                return;
            }
            assert!(Instant::now() < end, "{script}: {found} instead of {expected}");
            // The page gets on between two frames.
            self.run("new Promise(requestAnimationFrame)");
        }
    }

    /// Presses a key, as a reader would.
    pub(crate) fn press(&mut self, key: &str) {
        let (text, code) = match key {
            "Enter" => (Some("\r"), 13),
            "Escape" => (None, 27),
            "Tab" => (None, 9),
            letter => (Some(letter), 0),
        };
        let down = if text.is_some() { "keyDown" } else { "rawKeyDown" };
        for kind in [down, "keyUp"] {
            let mut event = json!({"type": kind, "key": key, "windowsVirtualKeyCode": code});
            if let Some(text) = text.filter(|_| kind == "keyDown") {
                event["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Writes where the focus is.
    pub(crate) fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// What is seen now, as a PNG.
    pub(crate) fn picture(&mut self) -> Vec<u8> {
        let answer = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let data = answer["data"].as_str().expect("a picture");
        base64::Engine::decode(&base64::prelude::BASE64_STANDARD, data).expect("base64")
    }

    /// The page on paper, as a PDF.
    pub(crate) fn print(&mut self) -> Vec<u8> {
        let answer = self.call("Page.printToPDF", json!({"paperWidth": 8.27, "paperHeight": 11.7}));
        let data = answer["data"].as_str().expect("a document");
        base64::Engine::decode(&base64::prelude::BASE64_STANDARD, data).expect("base64")
    }

    /// Everything that this method told so far.
    pub(crate) fn told(&self, method: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["method"] == method).map(|event| &event["params"]).collect()
    }

    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut call = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = &self.session {
            call["sessionId"] = json!(session);
        }
        let sent = write!(self.input, "{call}\0").and_then(|()| self.input.flush());
        sent.unwrap_or_else(|error| panic!("{method}: {error}; {}", self.errors()));
        loop {
            let message = self.next(method);
            if message["id"] == self.last {
                assert_eq!(message.get("error"), None, "{call}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    fn attach(&mut self) {
        let targets = self.call("Target.getTargets", json!({}));
        let targets = targets["targetInfos"].as_array().cloned().unwrap_or_default();
        let page =
            targets.iter().find(|target| target["type"] == "page").map(|target| target["targetId"].clone());
        let page = page.unwrap_or_else(|| {
            self.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone()
        });
        let session = self.call("Target.attachToTarget", json!({"targetId": page, "flatten": true}));
        self.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    fn wait_for(&mut self, method: &str) {
        while self.told(method).is_empty() {
            let message = self.next(method);
            self.events.push(message);
        }
    }

    fn next(&self, what: &str) -> Value {
        self.messages.recv_timeout(DEADLINE).unwrap_or_else(|error| {
            panic!("Chromium says nothing more, while {what} was awaited: {error}; {}", self.errors())
        })
    }

    fn errors(&self) -> String {
        let errors = std::fs::read_to_string(self.profile.path().join("errors")).unwrap_or_default();
        if errors.contains("not found") {
            return format!("{errors}`cargo xtask test --only browser` installs what is missing");
        }
        errors
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
