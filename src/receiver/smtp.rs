//! SMTP: one mail, to one recipient or to some who get the same bytes, over one transaction, each
//! step bounded.
//!
//! Everybody who gets a mail has a verdict of their own, so a refused recipient never touches
//! another. A connection that has just been used is kept for a few seconds, so a batch of mails pays
//! for TLS and login once. The bytes go out as they were stored; only line ends and dots are made
//! safe for the wire. Of several servers the next one is asked where one cannot be used, as long as
//! nothing was handed over.

use futures_util::future::BoxFuture;
use lettre::Address;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::circuit::Standing;
use self::classify::classify;
use self::content::Content;
use self::server::Server;
use self::transfer::{Mailing, Verdict};
use super::{Handover, Receiver};
use crate::domain::delivery::{Message, Outcome};

mod circuit;
mod classify;
mod content;
mod idle;
mod login;
mod offers;
mod reply;
mod server;
mod settings;
#[cfg(test)]
mod tests;
mod token;
mod transfer;
mod wire;

pub use self::reply::{Parsed, Reply, parse_reply};
pub use self::settings::{
    Bounds, CONNECTIONS, Login, ServerSettings, SmtpError, SmtpSettings, SmtpTls, TokenSettings,
};

/// The mail servers as a receiver.
pub struct Smtp {
    /// At least one, in the order in which they are asked.
    servers: Vec<Server>,
    from: Address,
    /// How many mails go out at the same time: each has a connection of its own.
    connections: usize,
}

impl Smtp {
    /// Makes the receiver; no connection is opened yet.
    ///
    /// # Errors
    /// When sender, host, certificate authority or token endpoint are not what they should be.
    pub fn new(settings: SmtpSettings) -> Result<Smtp, SmtpError> {
        Smtp::with_bounds(settings, Bounds::default())
    }

    /// As [`Smtp::new`], with bounds of one's own.
    ///
    /// # Errors
    /// As [`Smtp::new`].
    pub fn with_bounds(settings: SmtpSettings, bounds: Bounds) -> Result<Smtp, SmtpError> {
        let from = address(&settings.envelope_from)
            .ok_or_else(|| SmtpError::Sender(settings.envelope_from.clone()))?;
        let connections = settings.connections.clamp(1, Semaphore::MAX_PERMITS);
        let servers = settings.servers.iter();
        let servers: Vec<Server> = servers
            .map(|server| Server::new(server, connections, bounds))
            .collect::<Result<_, _>>()?;
        if servers.is_empty() {
            return Err(SmtpError::NoServer);
        }
        Ok(Smtp { servers, from, connections })
    }

    /// Asks one server for all who have no verdict yet, and notes theirs.
    async fn ask(
        &self,
        server: &Server,
        standing: Standing,
        post: &mut Post<'_>,
        handover: &Handover,
    ) {
        let open: Vec<usize> = post.open().collect();
        let to: Vec<Address> = open.iter().filter_map(|at| post.to[*at].clone()).collect();
        let mailing = Mailing { from: &self.from, to: &to, content: post.content };
        let verdicts = server.send(mailing, handover).await;
        let outcomes: Vec<Outcome> =
            verdicts.into_iter().map(|verdict| self.outcome(server, verdict)).collect();
        let taken = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Delivered(_)));
        self.learn(server, standing, !taken && outcomes.iter().any(is_of_server));
        for (at, outcome) in open.into_iter().zip(outcomes) {
            post.note(at, outcome);
        }
    }

    /// What a server's verdict means, in its words.
    fn outcome(&self, server: &Server, verdict: Verdict) -> Outcome {
        let outcome = match verdict {
            Ok(words) => Outcome::Delivered(words),
            Err(failure) => classify(failure.step, &failure.fault),
        };
        outcome.map_words(|said| {
            let said = server.withhold(said);
            match self.servers.len() {
                1 => said,
                _ => format!("{}: {said}", server.name),
            }
        })
    }

    /// Keeps how a server stands, for the attempts to come.
    fn learn(&self, server: &Server, standing: Standing, failed: bool) {
        let news = match failed {
            true => server.circuit().failed(standing, Instant::now()),
            false => server.circuit().worked(),
        };
        match failed {
            _ if !news || self.servers.len() == 1 => {}
            true => tracing::warn!(server = server.name, "a mail server cannot be used"),
            false => tracing::info!(server = server.name, "a mail server can be used again"),
        }
    }
}

/// A mail under way: who has which outcome so far.
struct Post<'a> {
    content: &'a Content,
    /// By message; `None` is no address.
    to: Vec<Option<Address>>,
    outcomes: Vec<Option<Outcome>>,
}

impl Post<'_> {
    /// Those whom a server could not be used for, and those who were not tried.
    fn open(&self) -> impl Iterator<Item = usize> {
        let open = |outcome: &Option<Outcome>| outcome.as_ref().is_none_or(is_of_server);
        (0..self.outcomes.len()).filter(move |at| open(&self.outcomes[*at]))
    }

    fn is_settled(&self) -> bool {
        self.open().next().is_none()
    }

    /// Notes what one server came to; where that is about the server, so was what others came to.
    fn note(&mut self, at: usize, outcome: Outcome) {
        let earlier = self.outcomes[at].take();
        self.outcomes[at] = Some(match (earlier, outcome) {
            (Some(earlier), outcome) if is_of_server(&outcome) => both(earlier, outcome),
            (_, outcome) => outcome,
        });
    }
}

/// Whether an outcome says that the server cannot be used, for whatever mail.
fn is_of_server(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::ServerDown(_) | Outcome::ReceiverBroken(_))
}

/// What two servers that cannot be used come to: one that is down can come back by itself.
fn both(first: Outcome, second: Outcome) -> Outcome {
    match (first, second) {
        (Outcome::ReceiverBroken(first), Outcome::ReceiverBroken(second)) => {
            Outcome::ReceiverBroken(format!("{first}; {second}"))
        }
        (
            Outcome::ServerDown(first) | Outcome::ReceiverBroken(first),
            Outcome::ServerDown(second) | Outcome::ReceiverBroken(second),
        ) => Outcome::ServerDown(format!("{first}; {second}")),
        (_, second) => second,
    }
}

impl Receiver for Smtp {
    fn concurrency(&self) -> usize {
        self.connections
    }

    fn attempt<'a>(
        &'a self,
        messages: &'a [Message],
        handover: &'a Handover,
    ) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let Some(first) = messages.first() else { return Vec::new() };
            let content = Content::of(&first.bytes);
            let to: Vec<_> = messages.iter().map(|message| address(&message.recipient)).collect();
            let no_address = |(to, message): (&Option<Address>, &Message)| {
                let what = format!("`{}` is not a mail address", message.recipient);
                to.is_none().then(|| Outcome::Rejected(super::words::words(&what)))
            };
            let outcomes = to.iter().zip(messages).map(no_address).collect();
            let mut post = Post { content: &content, to, outcomes };
            // Those that rest are asked last, the one that wakes first before the others.
            let mut resting = Vec::new();
            for server in &self.servers {
                if post.is_settled() || handover.has_begun() {
                    break;
                }
                let standing = server.circuit().enter(Instant::now());
                match standing {
                    Standing::Rests(until) => resting.push((until, server)),
                    _ => self.ask(server, standing, &mut post, handover).await,
                }
            }
            resting.sort_by_key(|(until, _)| *until);
            for (until, server) in resting {
                if post.is_settled() || handover.has_begun() {
                    break;
                }
                self.ask(server, Standing::Rests(until), &mut post, handover).await;
            }
            let none = || Outcome::ServerDown("no mail server was asked".to_owned());
            post.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(none)).collect()
        })
    }
}

/// Reads an address for the envelope. What could end a command early is refused whatever the
/// parser thinks of it.
fn address(text: &str) -> Option<Address> {
    let breaks = |symbol: char| symbol.is_control() || matches!(symbol, '<' | '>' | ' ');
    if text.chars().any(breaks) {
        return None;
    }
    text.parse().ok()
}
