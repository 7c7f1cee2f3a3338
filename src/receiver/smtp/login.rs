//! Logging in: PLAIN, LOGIN and XOAUTH2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use super::classify::{Fault, Step};
use super::offers::Mechanism;
use super::settings::Login;
use super::wire::{Connection, Failure, expect};

/// Who logs in, and with what.
#[derive(Clone, Debug)]
pub(super) enum Credentials {
    Password { user: String, password: SecretString },
    Token { user: String, token: SecretString },
}

impl Credentials {
    fn pair(&self) -> (&str, &str) {
        match self {
            Credentials::Password { user, password: secret }
            | Credentials::Token { user, token: secret } => (user, secret.expose_secret()),
        }
    }

    /// The initial response of PLAIN or XOAUTH2, as it travels.
    fn first(&self) -> String {
        let (user, secret) = self.pair();
        STANDARD.encode(match self {
            Credentials::Password { .. } => format!("\0{user}\0{secret}"),
            Credentials::Token { .. } => format!("user={user}\x01auth=Bearer {secret}\x01\x01"),
        })
    }

    /// The secret as it is, and as AUTH carries it.
    pub(super) fn forms(&self) -> Vec<SecretString> {
        let (_, secret) = self.pair();
        let forms = [secret.to_owned(), STANDARD.encode(secret), self.first()];
        // A very short one would withhold everything.
        forms.into_iter().filter(|form| form.len() >= 4).map(SecretString::from).collect()
    }
}

/// The credentials that need no asking.
pub(super) fn of_password(login: &Login) -> Option<Credentials> {
    match login {
        Login::Password { user, password } => {
            Some(Credentials::Password { user: user.clone(), password: password.clone() })
        }
        Login::XOAuth2 { .. } => None,
    }
}

impl Connection {
    /// Logs in by whichever way fits the credentials and the server offers.
    pub(super) async fn login(&mut self, credentials: &Credentials) -> Result<(), Failure> {
        let setup = |what: &str| fail(Fault::Setup(what.into()));
        let offered = |wanted: Mechanism| self.offers.logins.contains(&wanted);
        match credentials {
            Credentials::Token { .. } if offered(Mechanism::XOAuth2) => {
                self.by_token(credentials).await
            }
            Credentials::Token { .. } => Err(setup("the server does not offer AUTH XOAUTH2")),
            Credentials::Password { .. } if offered(Mechanism::Plain) => {
                let line = format!("AUTH PLAIN {}\r\n", credentials.first());
                let reply = self.ask(line, self.bounds.hello).await;
                expect(Step::Login, 235..=235, reply).map(drop)
            }
            Credentials::Password { .. } if offered(Mechanism::Login) => {
                self.by_dialogue(credentials).await
            }
            Credentials::Password { .. } => {
                Err(setup("the server offers neither AUTH PLAIN nor AUTH LOGIN"))
            }
        }
    }

    /// LOGIN asks twice, for the name and for the password; more is not a login.
    async fn by_dialogue(&mut self, credentials: &Credentials) -> Result<(), Failure> {
        let (user, password) = credentials.pair();
        let limit = self.bounds.hello;
        let mut reply = self.ask("AUTH LOGIN\r\n", limit).await.map_err(fail)?;
        for _ in 0..2 {
            if reply.code != 334 {
                break;
            }
            let answer = match asked_for(&reply.text) {
                Some(Asked::User) => user,
                Some(Asked::Password) => password,
                None => {
                    return Err(fail(Fault::Garbage("AUTH LOGIN asks for something else".into())));
                }
            };
            reply =
                self.ask(format!("{}\r\n", STANDARD.encode(answer)), limit).await.map_err(fail)?;
        }
        expect(Step::Login, 235..=235, Ok(reply)).map(drop)
    }

    /// A refused token is explained in a challenge, which wants an empty answer before the refusal.
    async fn by_token(&mut self, credentials: &Credentials) -> Result<(), Failure> {
        let line = format!("AUTH XOAUTH2 {}\r\n", credentials.first());
        let limit = self.bounds.hello;
        let mut reply = self.ask(line, limit).await.map_err(fail)?;
        if reply.code == 334 {
            reply = self.ask("\r\n", limit).await.map_err(fail)?;
        }
        expect(Step::Login, 235..=235, Ok(reply)).map(drop)
    }
}

fn fail(fault: Fault) -> Failure {
    Failure { step: Step::Login, fault }
}

enum Asked {
    User,
    Password,
}

/// What a challenge of AUTH LOGIN wants.
fn asked_for(challenge: &str) -> Option<Asked> {
    let decoded = STANDARD.decode(challenge.split_whitespace().next()?).ok()?;
    let words = String::from_utf8(decoded).ok()?.to_lowercase();
    match words.trim_end_matches(['\0', ' ', ':']) {
        "user name" | "username" => Some(Asked::User),
        "password" => Some(Asked::Password),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_travels_as_the_providers_document_it() {
        let credentials = Credentials::Token {
            user: "someuser@example.com".into(),
            token: SecretString::from("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"),
        };
        let expected = "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk5\
                        2YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==";
        assert_eq!(credentials.first(), expected);
        assert!(!format!("{credentials:?}").contains("ya29"));
    }

    #[test]
    fn login_asks_for_two_things_in_a_few_spellings() {
        for (words, expected) in [
            ("Username:", Some('u')),
            ("User Name\0", Some('u')),
            ("Password:", Some('p')),
            ("password", Some('p')),
            ("Your dog?", None),
        ] {
            let asked = asked_for(&STANDARD.encode(words)).map(|asked| match asked {
                Asked::User => 'u',
                Asked::Password => 'p',
            });
            assert_eq!(asked, expected, "{words}");
        }
        assert!(asked_for("no base64").is_none());
        assert!(asked_for("").is_none());
    }
}
