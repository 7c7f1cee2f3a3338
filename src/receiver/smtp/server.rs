//! One mail server: its connections, its login, its bound on both.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::circuit::Circuit;
use super::classify::{Fault, Step};
use super::idle::Idle;
use super::login::{self, Credentials};
use super::settings::{Bounds, Login, ServerSettings, SmtpError, SmtpTls};
use super::token::{Given, Tokens};
use super::transfer::{Mailing, Verdict};
use super::wire::{Connection, Failure};
use crate::receiver::{Handover, tls};

/// A mail server, ready to be asked.
pub(super) struct Server {
    /// What people call it: `smtp.example.com:587`.
    pub(super) name: String,
    host: String,
    port: u16,
    protection: Protection,
    account: Account,
    /// A password as it is and as it travels: what the server says is never kept with one of them.
    withheld: Vec<SecretString>,
    bounds: Bounds,
    idle: Arc<Idle>,
    /// One for each connection it may have at the same time.
    permits: Semaphore,
    circuit: Mutex<Circuit>,
}

enum Protection {
    StartTls(ServerName<'static>, Arc<ClientConfig>),
    Implicit(ServerName<'static>, Arc<ClientConfig>),
    None,
}

enum Account {
    None,
    Password(Credentials),
    Token(String, Box<Tokens>),
}

impl Server {
    pub(super) fn new(
        settings: &ServerSettings,
        connections: usize,
        bounds: Bounds,
    ) -> Result<Server, SmtpError> {
        let host = bare_host(&settings.host).to_owned();
        let secured = || {
            let name = ServerName::try_from(host.clone())
                .map_err(|_| SmtpError::Host(settings.host.clone()))?;
            let config = tls::client_config(settings.ca.as_deref()).map_err(SmtpError::Tls)?;
            Ok((name, Arc::new(config)))
        };
        let protection = match settings.tls {
            SmtpTls::StartTls => secured().map(|(name, tls)| Protection::StartTls(name, tls))?,
            SmtpTls::Implicit => secured().map(|(name, tls)| Protection::Implicit(name, tls))?,
            SmtpTls::None => Protection::None,
        };
        let account = match &settings.login {
            None => Account::None,
            Some(login @ Login::Password { .. }) => {
                login::of_password(login).map_or(Account::None, Account::Password)
            }
            Some(Login::XOAuth2 { user, token }) => {
                Account::Token(user.clone(), Box::new(Tokens::new(token, bounds.token)?))
            }
        };
        let withheld = match &account {
            Account::Password(credentials) => credentials.forms(),
            Account::Token(..) | Account::None => Vec::new(),
        };
        Ok(Server {
            name: settings.name(),
            host,
            port: settings.port,
            protection,
            account,
            withheld,
            bounds,
            idle: Arc::new(Idle::new(bounds.idle, connections)),
            permits: Semaphore::new(connections),
            circuit: Mutex::default(),
        })
    }

    /// How it stands among others.
    pub(super) fn circuit(&self) -> MutexGuard<'_, Circuit> {
        // It is consistent between any two statements, so a panic elsewhere spoils nothing.
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a mail, once a connection is free. A verdict for each recipient, in their order.
    pub(super) async fn send(&self, mailing: Mailing<'_>, handover: &Handover) -> Vec<Verdict> {
        let all = |failure: Failure| vec![Err(failure); mailing.to.len()];
        // The outbox makes no more attempts at a time than there are; whoever comes besides (a trial)
        // waits its turn, which comes: each is held for a bounded time. That all are taken says
        // nothing about the server.
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let deadline = Instant::now() + self.bounds.overall;
        if let Some(connection) = self.kept(deadline).await {
            let verdicts = self.transfer(connection, mailing, handover).await;
            // It died while it waited for us; nothing has been handed over.
            let stale = |verdict: &Verdict| verdict.as_ref().is_err_and(Failure::is_stale);
            if !verdicts.iter().all(stale) {
                return verdicts;
            }
        }
        match self.connect(deadline).await {
            Ok(connection) => self.transfer(connection, mailing, handover).await,
            Err(failure) => all(failure),
        }
    }

    /// A connection that has carried a mail before and can carry another.
    async fn kept(&self, deadline: Instant) -> Option<Connection> {
        let mut connection = self.idle.take()?;
        connection.serve_until(deadline);
        connection.clean().await.then_some(connection)
    }

    async fn transfer(
        &self,
        mut connection: Connection,
        mailing: Mailing<'_>,
        handover: &Handover,
    ) -> Vec<Verdict> {
        let begun = Instant::now();
        let mut verdicts = connection.transfer(mailing, handover).await;
        // Who was one too many goes with the next transaction, as long as each takes somebody.
        let mut left = one_too_many(&verdicts);
        while !left.is_empty() && !connection.over && begun.elapsed() < self.bounds.overall {
            let to: Vec<_> = left.iter().map(|at| mailing.to[*at].clone()).collect();
            connection.serve_until(Instant::now() + self.bounds.overall);
            let next = connection.transfer(Mailing { to: &to, ..mailing }, handover).await;
            for (at, verdict) in left.into_iter().zip(next) {
                verdicts[at] = verdict;
            }
            left = one_too_many(&verdicts);
        }
        if !connection.over {
            self.idle.park(connection);
        }
        verdicts
    }

    /// The server's words, unless they repeat the login.
    pub(super) fn withhold(&self, said: String) -> String {
        let repeats = |secret: &SecretString| said.contains(secret.expose_secret());
        let token = match &self.account {
            Account::Token(user, tokens) => tokens.are_in(user, &said),
            Account::Password(_) | Account::None => false,
        };
        match token || self.withheld.iter().any(repeats) {
            true => "(its words repeat the password and are withheld)".to_owned(),
            false => said,
        }
    }

    /// A connection that is ready for a message. A token that was kept and is refused is renewed, once.
    async fn connect(&self, deadline: Instant) -> Result<Connection, Failure> {
        let (user, tokens) = match &self.account {
            Account::None => return self.open(None, deadline).await,
            Account::Password(credentials) => return self.open(Some(credentials), deadline).await,
            Account::Token(user, tokens) => (user, tokens),
        };
        let given = |token| Credentials::Token { user: user.clone(), token };
        let fail = |fault| Failure { step: Step::Login, fault };
        let Given { token, fresh } = tokens.current(deadline).await.map_err(fail)?;
        match self.open(Some(&given(token.clone())), deadline).await {
            Err(failure) if failure.is_refused_login() => {
                tokens.forget(&token).await;
                if fresh {
                    return Err(failure);
                }
                let Given { token, .. } = tokens.current(deadline).await.map_err(fail)?;
                self.open(Some(&given(token)), deadline).await
            }
            result => result,
        }
    }

    async fn open(
        &self,
        credentials: Option<&Credentials>,
        deadline: Instant,
    ) -> Result<Connection, Failure> {
        let mut connection = Connection::open(&self.host, self.port, self.bounds, deadline).await?;
        match self.introduce(&mut connection, credentials).await {
            Ok(()) => Ok(connection),
            Err(failure) => {
                // Its answer is not waited for: the verdict is already known.
                if matches!(failure.fault, Fault::Reply(_) | Fault::Setup(_)) {
                    tokio::spawn(connection.quit());
                }
                Err(failure)
            }
        }
    }

    async fn introduce(
        &self,
        connection: &mut Connection,
        credentials: Option<&Credentials>,
    ) -> Result<(), Failure> {
        if let Protection::Implicit(name, tls) = &self.protection {
            connection.handshake(name.clone(), Arc::clone(tls)).await?;
        }
        connection.greet().await?;
        connection.hello().await?;
        if let Protection::StartTls(name, tls) = &self.protection {
            connection.starttls(name.clone(), Arc::clone(tls)).await?;
            connection.hello().await?;
        }
        if let Some(credentials) = credentials {
            if !connection.is_encrypted() && !connection.is_local() {
                let what = "the login would be sent without TLS to another machine";
                return Err(Failure { step: Step::Login, fault: Fault::Setup(what.into()) });
            }
            connection.login(credentials).await?;
        }
        Ok(())
    }
}

/// Those who are still to go, if anybody had the mail: else another transaction would be no better.
fn one_too_many(verdicts: &[Verdict]) -> Vec<usize> {
    let too_many =
        |verdict: &Verdict| matches!(verdict, Err(Failure { fault: Fault::TooMany(_), .. }));
    match verdicts.iter().any(Result::is_ok) {
        true => (0..verdicts.len()).filter(|at| too_many(&verdicts[*at])).collect(),
        false => Vec::new(),
    }
}

/// `[::1]` as `::1`.
fn bare_host(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .filter(|host| host.parse::<IpAddr>().is_ok())
        .unwrap_or(host)
}
