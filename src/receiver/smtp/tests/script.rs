//! A mail server that offers what it is told to, answers by rule and writes down what it heard.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Close instead of answering.
pub(super) const CLOSE: &str = "CLOSE";
/// Never answer.
pub(super) const STALL: &str = "STALL";

/// How a server behaves.
#[derive(Clone, Default)]
pub(super) struct Manners {
    /// Lines after the greeting of EHLO.
    pub(super) offers: Vec<&'static str>,
    /// What is answered to commands that begin so, and how often; `.` is the end of a message. The
    /// first that fits counts.
    pub(super) rules: Vec<(&'static str, String, usize)>,
    /// The most recipients of one mail; further ones are told this.
    pub(super) recipients: Option<(usize, &'static str)>,
    /// Answers wait until DATA was heard: a client that waits for them never says it.
    pub(super) answers_late: bool,
}

impl Manners {
    pub(super) fn offering(offers: &[&'static str]) -> Manners {
        Manners { offers: offers.to_vec(), ..Manners::default() }
    }

    /// Answers commands that begin so with this line, always.
    pub(super) fn rule(self, command: &'static str, answer: impl Into<String>) -> Manners {
        self.rule_times(command, answer, usize::MAX)
    }

    /// The same, so often.
    pub(super) fn rule_times(
        mut self,
        command: &'static str,
        answer: impl Into<String>,
        times: usize,
    ) -> Manners {
        self.rules.push((command, answer.into(), times));
        self
    }
}

/// What a server heard.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) commands: Vec<String>,
    /// Recipients and text of each mail that was answered with a 250.
    pub(super) mails: Vec<(Vec<String>, String)>,
    pub(super) connections: usize,
    /// Commands that came ahead of an answer.
    pub(super) ahead: usize,
}

/// A running server.
pub(super) struct Server {
    pub(super) port: u16,
    heard: Arc<Mutex<Heard>>,
    most_open: Arc<AtomicUsize>,
}

struct Session {
    reader: BufReader<TcpStream>,
    manners: Arc<Mutex<Manners>>,
    heard: Arc<Mutex<Heard>>,
    waiting: String,
}

impl Server {
    pub(super) async fn start(manners: Manners) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (open, most_open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (shared, most) = (Arc::clone(&heard), Arc::clone(&most_open));
        let manners = Arc::new(Mutex::new(manners));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().unwrap().connections += 1;
                let session = Session {
                    reader: BufReader::new(stream),
                    manners: Arc::clone(&manners),
                    heard: Arc::clone(&shared),
                    waiting: String::new(),
                };
                let (open, most) = (Arc::clone(&open), Arc::clone(&most));
                tokio::spawn(async move {
                    let now = open.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    session.serve().await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Server { port, heard, most_open }
    }

    pub(super) fn heard<T>(&self, look: impl FnOnce(&Heard) -> T) -> T {
        look(&self.heard.lock().unwrap())
    }

    /// How many mails it took.
    pub(super) fn taken(&self) -> usize {
        self.heard(|heard| heard.mails.len())
    }

    /// The recipients of its mails.
    pub(super) fn recipients(&self) -> Vec<Vec<String>> {
        self.heard(|heard| heard.mails.iter().map(|(to, _)| to.clone()).collect())
    }

    /// The most connections that were open at the same time.
    pub(super) fn most_open(&self) -> usize {
        self.most_open.load(Ordering::SeqCst)
    }
}

impl Session {
    async fn serve(mut self) {
        let mut sender = false;
        let mut recipients: Vec<String> = Vec::new();
        if self.say("220 scripted\r\n", "BANNER").await.is_none() {
            return;
        }
        loop {
            let mut line = String::new();
            if !matches!(self.reader.read_line(&mut line).await, Ok(1..)) {
                return;
            }
            let command = match line.trim_end() {
                "" => "=empty line".to_owned(),
                command => command.to_owned(),
            };
            self.hear(&command);
            let (verb, rest) = command.split_once(' ').unwrap_or((&command, ""));
            let usual = match verb {
                "EHLO" => self.offers(),
                "MAIL" => "250 sender\r\n".to_owned(),
                "RCPT" if !sender => "503 no sender\r\n".to_owned(),
                "RCPT" => self.recipient(&recipients),
                "DATA" if recipients.is_empty() => "503 no recipients\r\n".to_owned(),
                "DATA" => "354 go\r\n".to_owned(),
                "AUTH" => "235 in\r\n".to_owned(),
                "QUIT" => "221 bye\r\n".to_owned(),
                _ => "250 ok\r\n".to_owned(),
            };
            let Some(answered) = self.say(&usual, &command).await else { return };
            let good = answered.starts_with('2');
            match verb {
                "MAIL" => {
                    sender = good;
                    recipients.clear();
                }
                "RCPT" if good => recipients.push(rest.replace("TO:<", "").replace('>', "")),
                "RSET" => (sender, recipients) = (false, Vec::new()),
                "DATA" if answered.starts_with("354") => {
                    let Some(text) = self.message().await else { return };
                    self.hear(".");
                    let Some(answered) = self.say("250 queued\r\n", ".").await else { return };
                    if answered.starts_with("250") {
                        let mut heard = self.heard.lock().unwrap();
                        heard.mails.push((std::mem::take(&mut recipients), text));
                    }
                    (sender, recipients) = (false, Vec::new());
                }
                "QUIT" => return,
                _ => {}
            }
            if answered.starts_with("421") {
                return;
            }
        }
    }

    /// Answers by rule, or as usual. What was answered; `None`: nothing, and the connection ends.
    async fn say(&mut self, usual: &str, command: &str) -> Option<String> {
        let ruled = {
            let mut manners = self.manners.lock().unwrap();
            let fits = |rule: &&mut (&str, String, usize)| {
                rule.2 > 0 && command.starts_with(rule.0) && (rule.0 != "." || command == ".")
            };
            manners.rules.iter_mut().find(fits).map(|rule| {
                rule.2 = rule.2.saturating_sub(1);
                rule.1.clone()
            })
        };
        let answer = match ruled.as_deref() {
            Some(CLOSE) => return None,
            Some(STALL) => std::future::pending().await,
            Some(line) => format!("{line}\r\n"),
            None => usual.to_owned(),
        };
        self.waiting += &answer;
        let (late, pipelines) = {
            let manners = self.manners.lock().unwrap();
            (manners.answers_late, manners.offers.contains(&"PIPELINING"))
        };
        let held = late && (command.starts_with("MAIL") || command.starts_with("RCPT"));
        if !held {
            if !pipelines && !self.reader.buffer().is_empty() && command != "BANNER" {
                self.heard.lock().unwrap().ahead += 1;
            }
            let waiting = std::mem::take(&mut self.waiting);
            self.reader.get_mut().write_all(waiting.as_bytes()).await.ok()?;
        }
        Some(answer)
    }

    fn offers(&self) -> String {
        let offers = &self.manners.lock().unwrap().offers;
        let lines = offers.iter().map(|offer| format!("250-{offer}\r\n"));
        format!("250-scripted\r\n{}250 HELP\r\n", lines.collect::<String>())
    }

    fn recipient(&self, recipients: &[String]) -> String {
        match self.manners.lock().unwrap().recipients {
            Some((most, answer)) if recipients.len() >= most => format!("{answer}\r\n"),
            _ => "250 recipient\r\n".to_owned(),
        }
    }

    fn hear(&self, command: &str) {
        self.heard.lock().unwrap().commands.push(command.to_owned());
    }

    /// A message up to its dot.
    async fn message(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            if !matches!(self.reader.read_line(&mut line).await, Ok(1..)) {
                return None;
            }
            match line.as_str() {
                ".\r\n" => return Some(text),
                line => text += line.strip_prefix('.').unwrap_or(line),
            }
        }
    }
}
