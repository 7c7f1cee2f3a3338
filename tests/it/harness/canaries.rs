//! Secrets that open nothing, to be looked for wherever they must not be.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// A secret in every form in which it could turn up: as it is, percent-encoded, in hexadecimal, and
/// in the Base64 of any text that it is a part of.
pub(crate) fn forms(secret: &str) -> Vec<String> {
    let mut forms =
        vec![secret.to_owned(), utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string()];
    forms.push(secret.bytes().map(|byte| format!("{byte:02x}")).collect());
    for before in 0..3_usize {
        let mut text = vec![0; before];
        text.extend_from_slice(secret.as_bytes());
        let whole = text.len() / 3 * 4;
        // Characters that depend on what stands before or behind it are left out.
        let encoded = STANDARD_NO_PAD.encode(&text);
        forms.push(encoded[[0, 2, 3][before]..whole].to_owned());
    }
    forms.dedup();
    forms
}

/// Fails, with the line that it is in, where one of the secrets stands in a text, in any form.
#[track_caller]
pub(crate) fn clean<'s>(what: &str, text: &str, secrets: impl IntoIterator<Item = &'s str>) {
    for canary in secrets {
        for form in forms(canary) {
            let Some(at) = text.find(&form) else { continue };
            let from = text[..at].rfind('\n').map_or(0, |line| line + 1);
            panic!("`{canary}` is in {what}: {}", &text[from..at + form.len()]);
        }
    }
}

/// Every file below a folder, as text.
pub(crate) fn files(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}

#[test]
fn a_secret_is_found_in_every_form() {
    let secret = "canary+Secret/7300=";
    for before in ["", "a", "ada:", "ada:1", "\0postrider\0"] {
        for behind in ["", "x", "xy", "&more=1"] {
            let text = format!("{before}{secret}{behind}");
            let leaks = [
                text.clone(),
                format!("GET /?key={}", utf8_percent_encode(&text, NON_ALPHANUMERIC)),
                format!("AUTH PLAIN {}", base64::engine::general_purpose::STANDARD.encode(&text)),
                format!("0x{}", text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>()),
            ];
            for leak in leaks {
                let found = forms(secret).iter().any(|form| leak.contains(form.as_str()));
                assert!(found, "{leak}");
            }
        }
    }
    clean("nothing", "canary Secret 7300", [secret]);
}
