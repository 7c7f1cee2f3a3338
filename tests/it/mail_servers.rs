//! Mail servers in the config, and what of it reaches the wire.

use std::path::Path;

use postrider::config::{Config, Given, Mode, Note, Problems, diff, load_text};
use postrider::receiver::smtp::{Login, SmtpTls};

use crate::harness::HOOK_SECRET;

mod signed;
mod together;

const RSA: &str = include_str!("mail_servers/rsa.pem");
const ED25519: &str = include_str!("mail_servers/ed25519.pem");

fn read(smtp: &str) -> Result<(Config, Vec<Note>), Problems> {
    let mut env = Given::default();
    for (name, value) in [
        ("PASSWORD", "swordfish"),
        ("OTHER", "swordfish-2"),
        ("CLIENT", "swordfish-client"),
        ("REFRESH", "swordfish-refresh"),
        ("SF_ID", "swordfish-id"),
        ("SF_SECRET", "swordfish-secret"),
        ("HOOK_URL", "https://hooks.example.com/1"),
        ("HOOK_SECRET", HOOK_SECRET),
    ] {
        env.variables.insert(name.into(), value.into());
    }
    for (name, text) in [
        ("rsa.pem", RSA),
        ("ed25519.pem", ED25519),
        ("public.pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
        (
            "locked.pem",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        ),
        ("nothing.pem", "swordfish"),
    ] {
        env.files.insert(Path::new("/etc/p").join(name), text.into());
    }
    load_text("config.toml", smtp, Path::new("/etc/p"), &env, Mode::Run)
}

fn smtp(lines: &str) -> String {
    format!(
        "[smtp]\nhost = \"smtp.example.com\"\nfrom = \"Reports <reports@mail.example.com>\"\n{lines}"
    )
}

#[track_caller]
fn valid(lines: &str) -> Config {
    match read(&smtp(lines)) {
        Ok((config, notes)) => {
            let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
            assert_eq!(notes, Vec::<String>::new());
            config
        }
        Err(problems) => panic!("{problems}"),
    }
}

/// Exactly these problems, and no secret in them.
#[track_caller]
fn wrong(lines: &str, expected: &[&str]) {
    wrong_in(&smtp(lines), expected);
}

/// The same of a whole config.
#[track_caller]
fn wrong_in(config: &str, expected: &[&str]) {
    match read(config) {
        Ok(_) => panic!("nothing is wrong with {config}"),
        Err(problems) => {
            // Those of one place come in no order that matters.
            let mut told: Vec<&str> =
                problems.0.iter().map(|problem| problem.message.as_str()).collect();
            told.sort_unstable();
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            assert_eq!(told, expected, "{config}");
            assert!(!format!("{problems}{problems:?}").contains("swordfish"), "{problems}");
        }
    }
}

#[test]
fn one_server_is_what_it_was() {
    let settings = valid("").smtp.unwrap();
    assert_eq!(settings.servers.len(), 1);
    let server = &settings.servers[0];
    assert_eq!((server.name().as_str(), server.tls), ("smtp.example.com:587", SmtpTls::StartTls));
    assert!(server.login.is_none());
    assert_eq!(
        (settings.connections, settings.envelope_from.as_str()),
        (8, "reports@mail.example.com")
    );
    let settings = valid("envelope_from = \"bounces@example.com\"\nconnections = 3").smtp.unwrap();
    assert_eq!((settings.connections, settings.envelope_from.as_str()), (3, "bounces@example.com"));
}

#[test]
fn further_servers_have_what_the_first_has_unless_they_say_otherwise() {
    let config = valid(
        r#"
username = "postrider"
password = "env:PASSWORD"
failover = [
  { host = "two.example.com" },
  { host = "three.example.com", port = 465, username = "other", password = "env:OTHER" },
  { host = "four.example.com", tls = "implicit", password = "env:OTHER" },
  { host = "::1", tls = "none", port = 2525, auth = { kind = "none" } },
]
"#,
    );
    let servers = config.smtp.unwrap().servers;
    let facts: Vec<String> = servers
        .iter()
        .map(|server| {
            let login = match &server.login {
                Some(Login::Password { user, .. }) => user.as_str(),
                Some(Login::XOAuth2 { .. }) => "a token",
                None => "nobody",
            };
            format!("{} {:?} {login}", server.name(), server.tls)
        })
        .collect();
    assert_eq!(
        facts,
        [
            "smtp.example.com:587 StartTls postrider",
            "two.example.com:587 StartTls postrider",
            "three.example.com:465 Implicit other",
            "four.example.com:465 Implicit postrider",
            "[::1]:2525 None nobody",
        ]
    );
}

#[test]
fn a_token_comes_in_place_of_a_password() {
    let config = valid(
        r#"
username = "reports@example.com"
auth = { kind = "xoauth2", token_url = "https://login.example.com/token", client_id = "postrider", client_secret = "env:CLIENT", refresh_token = "env:REFRESH", scope = "mail" }
failover = [{ host = "two.example.com" }]
"#,
    );
    for server in config.smtp.unwrap().servers {
        let Some(Login::XOAuth2 { user, token }) = server.login else { panic!("{server:?}") };
        assert_eq!((user.as_str(), token.client_id.as_str()), ("reports@example.com", "postrider"));
        assert_eq!(token.scope.as_deref(), Some("mail"));
        assert!(token.refresh_token.is_some() && token.client_secret.is_some());
        assert!(!format!("{token:?}").contains("swordfish"));
    }
}

#[test]
fn mistakes_of_servers_and_logins_are_told_at_once() {
    wrong("connections = 0", &["`connections` must be from 1 to 100"]);
    wrong("connections = 101", &["`connections` must be from 1 to 100"]);
    wrong("envelope_from = \"Reports <a@b.c>\"", &["`Reports <a@b.c>` is not a mail address"]);
    wrong("failover = \"two.example.com\"", &["`failover` must be a list of tables"]);
    wrong("failover = [\"two.example.com\"]", &["an entry of `failover` must be a table"]);
    wrong("failover = [{ port = 25 }]", &["entry 1 of `failover` has no `host`"]);
    wrong(
        "failover = [{ host = \"two:25\", prot = 5 }]",
        &["unknown key `prot` in entry 1 of `failover`", "`two:25` is not the name of a host"],
    );
    wrong(
        "username = \"u\"\npassword = \"env:PASSWORD\"\nfailover = [{ host = \"two.example.com\", tls = \"none\" }]",
        &["the password would go to `two.example.com` in clear text"],
    );
    wrong("auth = { token_url = \"https://x.example.com\" }", &["`auth` of [smtp] has no `kind`"]);
    wrong("auth = { kind = \"oauth\" }", &["unknown value `oauth`"]);
    wrong(
        "auth = { kind = \"xoauth2\" }",
        &[
            "`auth` of [smtp] has no `token_url`",
            "`auth` of [smtp] has no `client_id`",
            "`auth` of [smtp] has neither a `client_secret` nor a `refresh_token`",
            "`auth` without `username`",
        ],
    );
    let token = "auth = { kind = \"xoauth2\", token_url = \"URL\", client_id = \"c\", client_secret = \"env:CLIENT\" }";
    wrong(
        &format!("username = \"u\"\n{}", token.replace("URL", "http://x.example.com/swordfish")),
        &["`token_url` must begin with `https://`"],
    );
    wrong(
        &format!(
            "username = \"u\"\npassword = \"env:PASSWORD\"\n{}",
            token.replace("URL", "https://x.example.com")
        ),
        &["both `password` and `auth`"],
    );
    wrong(
        &format!(
            "username = \"u\"\ntls = \"none\"\n{}",
            token.replace("URL", "https://x.example.com")
        ),
        &["the password would go to `smtp.example.com` in clear text"],
    );
    wrong("auth = { kind = \"none\", scope = \"x\" }", &["`kind = \"none\"` wants no other key"]);
}

#[test]
fn keys_of_signatures_are_private_keys_of_a_domain() {
    let config = valid(
        r#"
dkim = [
  { domain = "Example.com", selector = "S1", key = "file:rsa.pem" },
  { domain = "mail.example.com", selector = "s2.may", key = "file:ed25519.pem" },
]
"#,
    );
    assert_eq!(
        format!("{:?}", config.dkim),
        "[Signer(s1._domainkey.example.com, rsa-sha256), \
         Signer(s2.may._domainkey.mail.example.com, ed25519-sha256)]"
    );
    let one = |domain: &str, selector: &str, key: &str| {
        format!("dkim = [{{ domain = \"{domain}\", selector = \"{selector}\", key = \"{key}\" }}]")
    };
    wrong(&one("example.com", "s1", "swordfish"), &["a secret written into the config"]);
    wrong(&one("example", "s1", "file:rsa.pem"), &["`example` is not a domain"]);
    wrong(&one("10.0.0.1", "s1", "file:rsa.pem"), &["`10.0.0.1` is not a domain"]);
    wrong(&one("example.com", "s 1", "file:rsa.pem"), &["`s 1` is not a selector"]);
    for (file, what) in [
        ("public.pem", "is a public key"),
        ("locked.pem", "is a key with a passphrase"),
        ("nothing.pem", "is no private key in PEM form"),
    ] {
        let reference = format!("file:{file}");
        let expected = format!("what `{reference}` holds {what}");
        wrong(&one("example.com", "s1", &reference), &[&expected]);
    }
    wrong(
        "dkim = [{ domain = \"example.com\" }]",
        &["entry 1 of `dkim` has no `selector`", "entry 1 of `dkim` has no `key`"],
    );
    let twice = "dkim = [{ domain = \"example.com\", selector = \"s1\", key = \"file:rsa.pem\" }, \
                 { domain = \"example.com\", selector = \"S1\", key = \"file:ed25519.pem\" }]";
    wrong(twice, &["two keys at `s1._domainkey.example.com`"]);
    // Another domain's signature is one, but not for the sender.
    let (config, notes) = read(&smtp(&one("example.org", "s1", "file:rsa.pem"))).unwrap();
    assert_eq!(config.dkim.len(), 1);
    let notes: Vec<&str> = notes.iter().map(|note| note.0.message.as_str()).collect();
    assert_eq!(notes, ["the domain is not that of `from`, which is `mail.example.com`"]);
}

#[test]
fn an_edit_of_keys_or_servers_is_an_edit_of_the_mail_server() {
    let signed = |key: &str| {
        valid(&format!(
            "dkim = [{{ domain = \"example.com\", selector = \"s1\", key = \"file:{key}\" }}]"
        ))
    };
    let changes = |old: &Config, new: &Config| -> Vec<String> {
        diff(old, new).iter().map(|change| change.what.clone()).collect()
    };
    let none = Vec::<String>::new();
    assert_eq!(changes(&signed("rsa.pem"), &signed("rsa.pem")), none);
    assert_eq!(changes(&signed("rsa.pem"), &signed("ed25519.pem")), ["the mail server"]);
    let with = |password: &str| {
        valid(&format!(
            "username = \"u\"\npassword = \"env:PASSWORD\"\n\
         failover = [{{ host = \"two.example.com\", password = \"env:{password}\" }}]"
        ))
    };
    assert_eq!(changes(&with("PASSWORD"), &with("PASSWORD")), none);
    assert_eq!(changes(&with("PASSWORD"), &with("OTHER")), ["the mail server"]);
}
