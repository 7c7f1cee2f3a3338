//! The command line: arguments and printing only. What a command does, it does through `app` and
//! `engine`, never by a way of its own.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::context::Context;
use crate::engine::EngineError;
use crate::store::StoreError;
use crate::store::state::StateError;

mod ack;
mod backfill;
mod check;
mod context;
mod demo;
mod diff;
mod explain;
mod incidents;
mod ledger;
mod outbox;
mod plan;
mod preview;
mod print;
mod pull;
mod receiver;
mod replay;
mod resend;
mod rules;
mod run;
mod runs;
mod schema;
mod send;
mod silence;
mod source;
mod state;
mod status;
mod suppress;
mod test;
mod unsubscribe;
mod version;

/// Scheduled report mails and alerts from REST sources: one binary, one TOML file.
#[derive(Debug, Parser)]
#[command(
    name = "postrider",
    version,
    disable_help_subcommand = true,
    after_help = "Examples:
  postrider demo                     see everything work, with nothing set up
  postrider check                    is config.toml right? (exit 2 if not)
  postrider check --online           and do the sources agree with it?
  postrider source test tickets      the first records of a dataset, as a table
  postrider preview morning          the digest as it would be sent, as HTML
  postrider plan --days 3            who gets what, when
  postrider run                      the daemon

Exit codes: 0 done, 1 failed, 2 bad arguments or config, 74 the state cannot be used,
75 another daemon holds the state folder."
)]
struct Arguments {
    /// The config file. Default: ./config.toml, then /etc/postrider/config.toml
    #[arg(short, long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What to log: error, warn, info, debug, or a filter such as postrider=debug
    #[arg(
        long,
        global = true,
        value_name = "FILTER",
        env = "POSTRIDER_LOG",
        default_value = "info"
    )]
    log: String,
    /// Log one JSON object a line
    #[arg(long, global = true)]
    log_json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon: pull, evaluate, send (SIGHUP reloads the config, SIGTERM stops)
    Run(run::Run),
    /// Check the config and show every mistake at once
    Check(check::Check),
    /// What another version of the config changes, and what that means for what is open
    Diff(diff::Diff),
    /// Run the tests that the config has of its reports
    Test(test::Test),
    /// Look at rules, test them, try them over stored records; sends nothing
    #[command(subcommand)]
    Rules(rules::Rules),
    /// See everything work: a small org, an inbox and the daemon, in this process, at 60 times speed
    Demo(demo::Demo),
    /// Make a digest or a report and print it; sends nothing
    Preview(preview::Preview),
    /// Make a digest now and send it
    Send(send::Send),
    /// Pull datasets now
    Pull(pull::Pull),
    /// Look at a source: its first records, or a proposal for the config; stores nothing
    #[command(subcommand)]
    Source(source::SourceCommand),
    /// Who gets what, when: the slots of the next days, with those skipped and why
    Plan(plan::Plan),
    /// What runs, what waits, what failed
    Status(status::Status),
    /// Why a rule or an incident is as it is, who is told, who is not, and what comes next
    Explain(explain::Explain),
    /// Incidents: those that are open and those that were
    Incidents(incidents::Incidents),
    /// What was decided and why
    Ledger(ledger::Ledger),
    /// What was made, and what became of it with each recipient
    Runs(runs::Runs),
    /// Make the mails of a run again and compare them with what was sent
    Replay(replay::Replay),
    /// Send the messages of a run again that did not arrive, and only those
    Resend(resend::Resend),
    /// Make the mails of past slots; each says so, and is made once
    Backfill(backfill::Backfill),
    /// Incidents that nobody is to be told of for a while
    #[command(subcommand)]
    Silence(silence::SilenceCommand),
    /// Take an incident: no reminders and no escalation for a while
    Ack(ack::AckCommand),
    /// Give an incident back
    Unack(ack::Unack),
    /// Addresses that get no digest
    #[command(subcommand)]
    Suppress(suppress::Suppress),
    /// Take an address off a digest by the token in its mail
    Unsubscribe(unsubscribe::Unsubscribe),
    /// The file that everything owed is in: what it holds, whether it is whole, copies of it
    #[command(subcommand)]
    State(state::StateCommand),
    /// Look into the outbox and retry
    #[command(subcommand)]
    Outbox(outbox::Outbox),
    /// The keys of the config: a JSON Schema for editors, or a page
    Schema(schema::Schema),
    /// The ways to reach people, and whether they work
    #[command(subcommand)]
    Receiver(receiver::Receiver),
    /// Version, time zone database, SQLite
    Version(version::Version),
}

/// A failure with its exit code.
enum Failure {
    /// Exit 2: arguments or config are wrong. Already said on standard error where `None`.
    Config(Option<anyhow::Error>),
    /// Exit 1.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(err: E) -> Self {
        Failure::Failed(err.into())
    }
}

type Done = Result<(), Failure>;

/// Runs the command line and returns the exit code.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let style = if arguments.log_json {
        crate::telemetry::Style::Json
    } else {
        crate::telemetry::Style::Text
    };
    // One-off commands stay quiet unless asked; the daemon tells what it does.
    let quiet = !matches!(arguments.command, Command::Run(_));
    let filter = if quiet && arguments.log == "info" { "warn" } else { &arguments.log };
    crate::telemetry::start(filter, style);
    // Before the first zone is named: the newer of the bundled and the system's zone rules.
    crate::domain::zone::choose(crate::clock::system_zones());
    // One provider for all TLS; an error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let context = Context { config: arguments.config };
    match dispatch(arguments.command, &context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Config(err)) => {
            if let Some(err) = err {
                print::error(&err);
            }
            ExitCode::from(2)
        }
        Err(Failure::Failed(err)) => {
            print::error(&err);
            ExitCode::from(exit_code(&err))
        }
    }
}

fn dispatch(command: Command, context: &Context) -> Done {
    match command {
        Command::Run(run) => run.execute(context),
        Command::Check(check) => check.execute(context),
        Command::Diff(diff) => diff.execute(context),
        Command::Test(test) => test.execute(context),
        Command::Rules(rules) => rules.execute(context),
        Command::Demo(demo) => demo.execute(),
        Command::Preview(preview) => preview.execute(context),
        Command::Send(send) => send.execute(context),
        Command::Pull(pull) => pull.execute(context),
        Command::Source(source) => source.execute(context),
        Command::Plan(plan) => plan.execute(context),
        Command::Status(status) => status.execute(context),
        Command::Explain(explain) => explain.execute(context),
        Command::Incidents(incidents) => incidents.execute(context),
        Command::Ledger(ledger) => ledger.execute(context),
        Command::Runs(runs) => runs.execute(context),
        Command::Replay(replay) => replay.execute(context),
        Command::Resend(resend) => resend.execute(context),
        Command::Backfill(backfill) => backfill.execute(context),
        Command::Silence(silence) => silence.execute(context),
        Command::Ack(ack) => ack.execute(context),
        Command::Unack(unack) => unack.execute(context),
        Command::Suppress(suppress) => suppress.execute(context),
        Command::Unsubscribe(unsubscribe) => unsubscribe.execute(context),
        Command::State(state) => state.execute(context),
        Command::Outbox(outbox) => outbox.execute(context),
        Command::Receiver(receiver) => receiver.execute(context),
        Command::Schema(schema) => schema.execute(),
        Command::Version(version) => version.execute(),
    }
}

/// Supervisors tell by it whether trying again helps: 75 in a moment perhaps, 74 once somebody has
/// looked at the state (the codes of sysexits.h).
fn exit_code(err: &anyhow::Error) -> u8 {
    let of_store = |err: &StoreError| match err {
        StoreError::State(err) => Some(state_code(err)),
        _ => None,
    };
    let code = err.chain().find_map(|cause| {
        // Errors that pass another one on have no cause of their own.
        let of_engine = cause.downcast_ref().map(|err| match err {
            EngineError::Store(err) => of_store(err),
            _ => None,
        });
        let own = || cause.downcast_ref().map(state_code);
        of_engine.flatten().or_else(|| cause.downcast_ref().and_then(of_store)).or_else(own)
    });
    code.unwrap_or(1)
}

fn state_code(err: &StateError) -> u8 {
    match err {
        StateError::Locked { .. } | StateError::Served { .. } => 75,
        StateError::Folder(..)
        | StateError::Unusable { .. }
        | StateError::Foreign { .. }
        | StateError::Damaged { .. }
        | StateError::Newer { .. }
        | StateError::NoRoom { .. }
        | StateError::Database(_) => 74,
        StateError::Random(_) | StateError::Unreadable { .. } => 1,
    }
}
