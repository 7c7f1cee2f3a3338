//! What the config says of runs and alarms, and what it must not say.

use std::path::Path;

use postrider::config::{self, Config, Given, Mode, Problems};

use crate::harness::{HEAD, HOOK_SECRET, TRAFFIC};

fn load(line: &str) -> Result<Config, Problems> {
    let mut env = Given::default();
    for (name, value) in [("SF_ID", "i"), ("SF_SECRET", "s"), ("HOOK_SECRET", HOOK_SECRET)] {
        env.variables.insert(name.into(), value.into());
    }
    env.variables.insert("HOOK_URL".into(), "https://hooks.example.com/1".into());
    let text = format!("{HEAD}{TRAFFIC}").replacen("[smtp]", &format!("{line}\n\n[smtp]"), 1);
    config::load_text("config.toml", &text, Path::new("."), &env, Mode::Run)
        .map(|(config, _)| config)
}

#[test]
fn what_is_right_is_taken() {
    let plain = load("").unwrap();
    assert_eq!((plain.archive.num_days(), plain.alarm, plain.public_url), (400, None, None));
    assert_eq!(load("archive = \"2 years\"").unwrap().archive.num_days(), 732);
    assert_eq!(load("alarm = \"ops-hook\"").unwrap().alarm.as_deref(), Some("ops-hook"));
    let page = load("public_url = \"https://reports.example.com/p/\"").unwrap().public_url;
    assert_eq!(page.as_deref(), Some("https://reports.example.com/p"));
}

#[test]
fn what_would_not_work_is_refused_with_the_reason() {
    for (line, said) in [
        ("alarm = \"nobody\"", "unknown receiver `nobody`"),
        ("alarm = \"ops-mail\"", "receiver `ops-mail` is a mail address"),
        ("archive = \"1 h\"", "`1 h` is too short"),
        ("archive = \"long\"", "is not a length of time"),
        ("public_url = \"http://reports.example.com\"", "must begin with `https://`"),
        ("public_url = \"reports\"", "is not an address on the web"),
        ("public_url = \"https://u:p@example.com\"", "hold no name or password"),
        ("public_url = \"https://example.com/?a=b\"", "must end with its path"),
    ] {
        let problems = load(line).expect_err(line).to_string();
        assert!(problems.contains(said), "{line}: {problems}");
    }
}
