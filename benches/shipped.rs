//! Postrider itself, on the shipped config.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;

use postrider::app::{App, Limits};
use postrider::clock::{Clock, SystemClock};
use postrider::config::{self, Config, Given, Mode, Overlay};
use postrider::demo::org::{CLIENT_ID, CLIENT_SECRET};

/// The shipped config with the server as its org and nobody to send to.
fn shipped(url: &str, state: &Path) -> anyhow::Result<Config> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
    let text = std::fs::read_to_string(&path)?;
    let env = Given::default();
    let loaded = config::load_text("config.toml", &text, Path::new(""), &env, Mode::Check);
    let (mut config, _) = loaded.map_err(|problems| anyhow::anyhow!("{problems}"))?;
    config.overlay(&Overlay {
        smtp: ("127.0.0.1".to_owned(), 9),
        login_url: url.to_owned(),
        credentials: (CLIENT_ID.into(), CLIENT_SECRET.into()),
        webhooks: "http://127.0.0.1:9".to_owned(),
        webhook_secret: SecretString::from("whsec_YmVuY2hiZW5jaGJlbmNoYmVuY2hiZW5jaGJlbmNo"),
        state: state.to_owned(),
    });
    Ok(config)
}

/// Postrider itself on that config.
pub(crate) fn app(url: &str, state: &Path) -> anyhow::Result<App> {
    app_with(url, state, |_| ())
}

/// Postrider itself on that config with a change.
pub(crate) fn app_with(
    url: &str,
    state: &Path,
    change: impl FnOnce(&mut Config),
) -> anyhow::Result<App> {
    app_on(url, state, Arc::new(SystemClock), change)
}

/// The same on any clock.
pub(crate) fn app_on(
    url: &str,
    state: &Path,
    clock: Arc<dyn Clock>,
    change: impl FnOnce(&mut Config),
) -> anyhow::Result<App> {
    let mut config = shipped(url, state)?;
    change(&mut config);
    App::build(config, clock, Limits::default())
}
