//! A key in the address stays with us and the API, however the API fails and whatever it repeats.

use serde_json::json;

use super::World;
use crate::harness::process::Folder;
use crate::harness::sources::{Api, Asked, Reply};
use crate::harness::{HEAD, HOOK_SECRET};

const KEYED: &str = r#"
[datasets.calls]
source = "desk"
path = "/calls"
records = "/data"
key = "id"
max_bad = 0.5
fields = { id = "text", minutes = "integer" }

[reports.figures]
title = "Calls"
type = "calls"
columns = ["count() as Calls", "sum(calls.minutes) as Minutes"]
"#;

/// A key that is written in an address otherwise than it is.
const KEY: &str = "canary+Key/7304=";
const KEY_IN_ADDRESS: &str = "canary%2BKey%2F7304%3D";

/// Everything an API can say that holds the key: as it came and as it is.
fn repeats(how: usize, asked: &Asked) -> Reply {
    let (key, target) = (&asked.query["api_key"], &asked.target);
    // Where a body is cut, it is cut within the key.
    let cut = |before: usize| format!("{}{key}", "x".repeat(before));
    match how {
        0 => Reply::of(500, &format!("no luck with {target}")),
        1 => Reply::of(401, &json!({ "message": format!("`{key}` is not known") }).to_string()),
        2 => Reply::of(404, &format!("<html>nothing at {target}</html>")),
        3 => Reply::of(302, "").with("location", &format!("https://elsewhere.example.com{target}")),
        4 => Reply::of(200, &format!("hello {key} at {target}")),
        5 => Reply::of(200, &json!({ format!("of {key}"): [] }).to_string()),
        6 => Reply::of(403, &cut(190)),
        7 => Reply::of(200, &cut(190)),
        8 => Reply::json(&json!({ "data": [
            { "id": "1", "minutes": key },
            { "id": "2", "minutes": target },
            { "id": "3", "minutes": cut(30) },
            { "id": null, key.as_str(): 1 },
        ] })),
        _ => Reply::json(&json!({ "data": [{ "id": "1", "minutes": 1 }] })),
    }
}
const WAYS: usize = 10;

#[track_caller]
fn clean(what: &str, text: &str, key: &str) {
    // As much of it as helps to guess the rest.
    for known in [key, KEY_IN_ADDRESS, &key[..9]] {
        let Some(at) = text.find(known) else { continue };
        let from = text[..at].rfind('\n').map_or(0, |line| line + 1);
        panic!("the key is in {what}: {}", &text[from..]);
    }
}

#[tokio::test]
async fn a_key_in_the_address_is_in_no_mail_ledger_or_status() {
    let text = super::AROUND.replace(
        "base_url = \"API\"",
        "base_url = \"API\"\nauth = { query = { name = \"api_key\", value = \"env:HOOK_SECRET\" } }",
    );
    let w = World::over(&text, KEYED, |_| {}).await;
    for way in 0..WAYS {
        w.api.tells("/calls", move |asked| repeats(way, asked));
        w.minutes(25).await;
        let asked = w.api.asked();
        assert!(asked.iter().all(|one| one.query["api_key"] == HOOK_SECRET), "{way}: {asked:?}");
        assert!(!asked.is_empty(), "{way}");
        clean(&format!("the status, way {way}"), &format!("{:?}", w.state("calls")), HOOK_SECRET);
        assert_eq!(w.state("calls").failure.is_some(), way < 8, "{way}");
        clean(&format!("a digest, way {way}"), &w.figures().await, HOOK_SECRET);
    }
    let owner = w.t.letters_to("owner@example.com");
    assert!(!owner.is_empty());
    for letter in owner.iter().chain(&w.t.letters_to("ana@example.com")) {
        clean(
            "a mail",
            &format!("{}\n{}\n{}", letter.subject, letter.text, letter.html),
            HOOK_SECRET,
        );
    }
    for subject in ["desk", "calls", "pull", "pulls of desk", "loads of desk"] {
        clean("the ledger", &format!("{:?}", w.t.ledger(subject)), HOOK_SECRET);
    }
    assert!(!w.t.ledger("desk").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_the_address_is_in_no_log_output_or_file() {
    let mut folder = Folder::new().await;
    folder.variables.push(("DESK_KEY".to_owned(), KEY.to_owned()));
    let api = Api::start(std::sync::Arc::clone(&folder.clock)).await;
    let source = format!(
        "\n[sources.desk]\nkind = \"rest\"\nbase_url = \"{}\"\n\
         auth = {{ query = {{ name = \"api_key\", value = \"env:DESK_KEY\" }} }}\n",
        api.url()
    );
    let digest = "\n[digests.daily]\nreports = [\"figures\"]\nschedule = \"0 8 * * *\"\n\
                  to = [\"ana@example.com\"]\n[[routes]]\nto = [\"ops-mail\"]\n";
    folder.write(&format!("{HEAD}{source}{KEYED}{digest}"));
    // Those that are not worth another try; a process waits for real.
    for way in (1..WAYS).rev() {
        api.tells("/calls", move |asked| repeats(way, asked));
        for command in [
            &["--log", "trace", "pull", "calls"][..],
            &["source", "test", "calls"],
            if way % 2 == 0 { &["status"] } else { &["status", "--json"] },
        ] {
            let output = folder.run(command);
            for said in [&output.stdout, &output.stderr] {
                let what = format!("{command:?}, way {way}");
                clean(&what, &String::from_utf8_lossy(said), KEY);
            }
        }
        assert!(!api.asked().is_empty());
    }
    let mut files = 0;
    for entry in std::fs::read_dir(folder.path("state")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        clean("a file", &String::from_utf8_lossy(&bytes), KEY);
        files += 1;
    }
    assert!(files >= 2);
}
