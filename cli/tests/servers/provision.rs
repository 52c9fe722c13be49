//! What `typebus provision` does on every broker.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::call::{Ended, SAMPLES, changed, typebus_in};

/// A broker, and a prefix that no other run has.
struct Place {
    url: String,
    prefix: String,
}

impl Place {
    fn of(broker: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        Self { url: typebus_servers::url(broker), prefix: format!("cli-{now:x}") }
    }

    /// Runs `typebus provision` with what the URL gets besides.
    fn provision(&self, manifests: &str, option: &str) -> Ended {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        let url = format!("{}{mark}{option}", self.url);
        let vars = [("TYPEBUS_URL", url.as_str()), ("TYPEBUS_PREFIX", self.prefix.as_str())];
        typebus_in(&["provision", manifests], &vars)
    }
}

/// Nothing is there, then all of it is, and stays as it is.
pub(crate) fn is_created_and_verified(broker: &str) {
    let place = Place::of(broker);
    let missing = place.provision(SAMPLES, "provision=verify");
    assert_eq!(missing.code, 1, "{missing:#?}");
    assert!(missing.out.contains("  differs: "), "{missing:#?}");
    assert!(missing.out.ends_with("3 of 3 services found something else there\n"), "{missing:#?}");

    let all = "all of it is there, for 3 services\n";
    assert!(place.provision(SAMPLES, "provision=create").fine().ends_with(all));
    assert!(place.provision(SAMPLES, "provision=verify").fine().ends_with(all));
    assert!(
        place.provision(SAMPLES, "provision=create").fine().ends_with(all),
        "a second time changes nothing"
    );
}

/// One service more is a finding of its own, and names what is missing.
pub(crate) fn what_is_missing_is_named(broker: &str) {
    let place = Place::of(broker);
    place.provision(SAMPLES, "provision=create").fine();
    let renamed = changed(|text| text.replace("\"shop.orders\"", "\"shop.returns\""));
    let ended = place.provision(renamed.path().to_str().unwrap(), "provision=verify");
    assert_eq!(ended.code, 1, "{ended:#?}");
    let (billing, others) = ended.out.split_once("\nshipping\n").expect("billing comes first");
    assert!(billing.contains("differs") && billing.contains("returns"), "{ended:#?}");
    assert!(!others.contains("differs"), "{ended:#?}");
}

/// A server that is not there ends it, without a word of what was in the URL.
pub(crate) fn a_server_has_to_be_there(scheme: &str) {
    let url = format!("{scheme}://alice:hunter2@127.0.0.1:1/?connect_timeout=2s");
    let ended = typebus_in(&["provision", SAMPLES], &[("TYPEBUS_URL", &url)]);
    let refused = ended.refused(3);
    assert!(refused.contains("billing is not provisioned"), "{refused}");
    assert!(refused.contains("127.0.0.1:1"), "{refused}");
    assert!(refused.contains("start the broker, or say where it is"), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");
}
