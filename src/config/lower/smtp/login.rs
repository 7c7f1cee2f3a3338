//! How a mail server knows us: by a password, by a token, or not at all.

use super::super::super::problem::Findings;
use super::super::super::secret::Surroundings;
use super::super::super::shape::Raw;
use super::super::super::text::At;
use super::super::super::wire::{Text, XOAuth2Toml};
use super::super::web::address_trouble;
use super::super::word;
use crate::receiver::smtp::{Login, ServerSettings, TokenSettings};

/// `auth` of a server.
pub(super) enum Auth {
    /// No login, whatever the server above wants.
    None,
    /// By a token. Without it a mistake was noted.
    XOAuth2(Option<TokenSettings>),
    /// A mistake, which was noted.
    Unknown,
}

/// What a table says of the login.
pub(super) struct Written<'t> {
    pub(super) username: Option<&'t Text>,
    pub(super) password: Option<&'t Text>,
    pub(super) auth: Option<Auth>,
}

#[derive(Clone, Copy)]
enum Kind {
    XOAuth2,
    None,
}

/// Lowers `auth`.
pub(super) fn auth(
    mut raw: Raw<'_>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
) -> Auth {
    let Some(text) = raw.text("kind") else {
        let help = "write `auth = { kind = \"xoauth2\", token_url = \"...\", ... }`";
        found.problem(raw.at, format!("{} has no `kind`", raw.title), help);
        return Auth::Unknown;
    };
    raw.table.remove("kind");
    let kinds = [("xoauth2", Kind::XOAuth2), ("none", Kind::None)];
    match word(found, raw.file, &text, &kinds) {
        None => Auth::Unknown,
        Some(Kind::None) => {
            if !raw.table.is_empty() {
                found.problem(raw.at, "`kind = \"none\"` wants no other key", "remove them");
            }
            Auth::None
        }
        Some(Kind::XOAuth2) => Auth::XOAuth2(token(raw, found, surroundings)),
    }
}

fn token(
    raw: Raw<'_>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
) -> Option<TokenSettings> {
    let before = found.count();
    let table = raw.shape::<XOAuth2Toml>(found, &["kind"]);
    let wire = &table.wire;
    let example = "\"https://oauth2.googleapis.com/token\"";
    let url = table.required(found, "token_url", &wire.token_url, example);
    if let Some(text) = url
        && let Some(trouble) = address_trouble(text.get_ref())
    {
        found.problem(table.at(text), format!("`token_url` {trouble}"), None);
    }
    let id = table.required(found, "client_id", &wire.client_id, "\"env:SMTP_CLIENT_ID\"");
    let id = id.and_then(|text| surroundings.given(found, table.file, text));
    let mut secret = |text: &Option<Text>| {
        text.as_ref().and_then(|text| surroundings.secret(found, table.file, text))
    };
    let (client_secret, refresh_token) = (secret(&wire.client_secret), secret(&wire.refresh_token));
    if wire.client_secret.is_none() && wire.refresh_token.is_none() {
        let message =
            format!("{} has neither a `client_secret` nor a `refresh_token`", table.title);
        found.problem(
            table.at.clone(),
            message,
            "write `client_secret = \"env:SMTP_CLIENT_SECRET\"`",
        );
    }
    (found.count() == before).then_some(())?;
    Some(TokenSettings {
        url: url?.get_ref().clone(),
        client_id: id?,
        client_secret,
        refresh_token,
        scope: wire.scope.as_ref().map(|text| text.get_ref().clone()),
    })
}

impl Written<'_> {
    /// Who logs in, if anybody; what is not said is as in `above`. `None`: a mistake was noted.
    pub(super) fn lower(
        self,
        found: &mut Findings<'_>,
        surroundings: Surroundings<'_>,
        file: usize,
        at: &At,
        above: Option<&ServerSettings>,
    ) -> Option<Option<Login>> {
        let above = above.and_then(|above| above.login.as_ref());
        let user_above = above.map(|login| match login {
            Login::Password { user, .. } | Login::XOAuth2 { user, .. } => user.clone(),
        });
        let place = |text: &Text| At::new(file, text.span());
        if let (Some(password), Some(_)) = (self.password, &self.auth) {
            found.problem(place(password), "both `password` and `auth`", "remove one of them");
            return None;
        }
        let user = match self.username {
            Some(text) => Some(surroundings.given(found, file, text)?),
            None => user_above,
        };
        match (self.auth, self.password, user) {
            (Some(Auth::Unknown), ..) => None,
            (Some(Auth::None), ..) => Some(None),
            (Some(Auth::XOAuth2(token)), _, Some(user)) => {
                Some(Some(Login::XOAuth2 { user, token: token? }))
            }
            (Some(Auth::XOAuth2(_)), _, None) => {
                let help = "write the mailbox, e.g. `username = \"reports@example.com\"`";
                found.problem(at.clone(), "`auth` without `username`", help);
                None
            }
            (None, Some(password), Some(user)) => {
                let password = surroundings.secret(found, file, password)?;
                Some(Some(Login::Password { user, password }))
            }
            (None, Some(password), None) => {
                let help = "write e.g. `username = \"postrider\"`";
                found.problem(place(password), "`password` without `username`", help);
                None
            }
            (None, None, _) => match (self.username, above) {
                (None, above) => Some(above.cloned()),
                (Some(user), _) => {
                    let help = "write e.g. `password = \"env:SMTP_PASSWORD\"`";
                    found.problem(place(user), "`username` without `password`", help);
                    None
                }
            },
        }
    }
}
