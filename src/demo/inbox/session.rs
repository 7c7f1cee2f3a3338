//! One conversation with a mail client.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{Act, Mail, Shared, Stage, letter};

/// The longest line of a command, in bytes.
const COMMAND_BYTES_MAX: u64 = 8 * 1024;
/// How much of a mail's line is taken at once, in bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// The biggest mail, in bytes; announced as SIZE.
const MAIL_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The most recipients of one mail.
const RECIPIENTS_MAX: usize = 1_000;
/// A client that says nothing for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(300);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Whether the conversation goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOn,
    Close,
}

struct Session {
    shared: Arc<Shared>,
    stream: BufReader<Box<dyn Stream>>,
    connection: usize,
    encrypted: bool,
    login: Option<String>,
    from: Option<String>,
    recipients: Vec<String>,
}

/// Serves one connection to its end. Its errors are the client's affair: nobody is told.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>, connection: usize) {
    let _ = stream.set_nodelay(true);
    let implicit = shared.settings.tls.clone().filter(|_| shared.settings.implicit_tls);
    let encrypted = implicit.is_some();
    let stream: Box<dyn Stream> = match implicit {
        Some(tls) => match TlsAcceptor::from(tls).accept(stream).await {
            Ok(stream) => Box::new(stream),
            Err(_) => return,
        },
        None => Box::new(stream),
    };
    let session = Session {
        shared,
        stream: BufReader::new(stream),
        connection,
        encrypted,
        login: None,
        from: None,
        recipients: Vec::new(),
    };
    let _ = session.run().await;
}

impl Session {
    async fn run(mut self) -> io::Result<()> {
        let mut then = self.reply(Stage::Banner, "220 inbox.localhost ESMTP ready").await?;
        while then == Then::GoOn {
            let Some(line) = self.read_line().await? else { return Ok(()) };
            then = self.obey(&line).await?;
        }
        // Lets TLS say goodbye too.
        self.stream.get_mut().shutdown().await
    }

    async fn obey(&mut self, line: &str) -> io::Result<Then> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => self.ehlo().await,
            "HELO" => self.reply(Stage::Ehlo, "250 inbox.localhost").await,
            "STARTTLS" => self.starttls().await,
            "AUTH" => self.auth(rest).await,
            "MAIL" => self.mail(rest).await,
            "RCPT" => self.rcpt(rest).await,
            "DATA" => self.data().await,
            "RSET" => {
                self.forget();
                self.say("250 2.0.0 forgotten").await
            }
            "NOOP" => self.say("250 2.0.0 still here").await,
            "VRFY" => self.say("252 2.5.0 try it").await,
            "QUIT" => {
                self.say("221 2.0.0 goodbye").await?;
                Ok(Then::Close)
            }
            _ => self.say("500 5.5.2 no such command").await,
        }
    }

    async fn ehlo(&mut self) -> io::Result<Then> {
        self.forget();
        let mut lines = vec!["inbox.localhost".to_owned(), format!("SIZE {MAIL_BYTES_MAX}")];
        if self.shared.settings.tls.is_some() && !self.encrypted {
            lines.push("STARTTLS".into());
        }
        if self.shared.settings.account.is_some() {
            lines.push("AUTH PLAIN LOGIN".into());
        }
        lines.extend(["8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"].map(String::from));
        let last = lines.len() - 1;
        let text: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(index, line)| format!("250{}{line}", if index == last { ' ' } else { '-' }))
            .collect();
        self.reply(Stage::Ehlo, &text.join("\r\n")).await
    }

    async fn starttls(&mut self) -> io::Result<Then> {
        let Some(tls) = self.shared.settings.tls.clone().filter(|_| !self.encrypted) else {
            return self.say("502 5.5.1 no TLS here").await;
        };
        if let Some(act) = self.shared.wrong(Stage::StartTls).await {
            return self.perform(act).await;
        }
        self.say("220 2.0.0 go ahead").await?;
        // What came before the handshake came unprotected.
        if !self.stream.buffer().is_empty() {
            return Ok(Then::Close);
        }
        let empty: Box<dyn Stream> = Box::new(tokio::io::empty());
        let clear = std::mem::replace(&mut self.stream, BufReader::new(empty)).into_inner();
        let secured: Box<dyn Stream> = Box::new(TlsAcceptor::from(tls).accept(clear).await?);
        self.stream = BufReader::new(secured);
        self.encrypted = true;
        self.login = None;
        self.forget();
        Ok(Then::GoOn)
    }

    async fn auth(&mut self, rest: &str) -> io::Result<Then> {
        if let Some(act) = self.shared.wrong(Stage::Auth).await {
            return self.perform(act).await;
        }
        let Some((name, password)) = self.shared.settings.account.clone() else {
            return self.say("502 5.5.1 no login needed here").await;
        };
        let mut words = rest.split_whitespace();
        let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
        let given = match (mechanism.as_str(), words.next()) {
            ("PLAIN", Some(initial)) => plain(initial),
            ("PLAIN", None) => plain(&self.challenge("").await?),
            ("LOGIN", _) => {
                let name = self.challenge("VXNlcm5hbWU6").await?;
                let password = self.challenge("UGFzc3dvcmQ6").await?;
                decoded(&name).zip(decoded(&password))
            }
            _ => return self.say("504 5.5.4 no such mechanism").await,
        };
        if given.as_ref() != Some(&(name.clone(), password)) {
            return self.say("535 5.7.8 authentication failed").await;
        }
        self.login = Some(name);
        self.say("235 2.7.0 welcome").await
    }

    async fn mail(&mut self, rest: &str) -> io::Result<Then> {
        if let Some(act) = self.shared.wrong(Stage::Mail).await {
            return self.perform(act).await;
        }
        if self.shared.settings.account.is_some() && self.login.is_none() {
            return self.say("530 5.7.0 log in first").await;
        }
        if self.from.is_some() {
            return self.say("503 5.5.1 one mail at a time").await;
        }
        let Some((sender, parameters)) = path(rest, "FROM:") else {
            return self.say("501 5.5.4 MAIL FROM:<address>").await;
        };
        let size = parameters.split_whitespace().find_map(|word| {
            word.to_ascii_uppercase().strip_prefix("SIZE=")?.parse::<usize>().ok()
        });
        if size.is_some_and(|size| size > MAIL_BYTES_MAX) {
            return self.say("552 5.3.4 too big").await;
        }
        self.from = Some(sender.to_owned());
        self.say("250 2.1.0 sender ok").await
    }

    async fn rcpt(&mut self, rest: &str) -> io::Result<Then> {
        if self.from.is_none() {
            return self.say("503 5.5.1 MAIL first").await;
        }
        let Some((recipient, _)) = path(rest, "TO:").filter(|(path, _)| !path.is_empty()) else {
            return self.say("501 5.5.4 RCPT TO:<address>").await;
        };
        if let Some(act) = self.shared.wrong(Stage::Rcpt).await {
            return self.perform(act).await;
        }
        if let Some(answer) = self.shared.refusal(recipient) {
            return self.perform(Act::Answer(answer)).await;
        }
        if self.recipients.len() >= RECIPIENTS_MAX {
            return self.say("452 4.5.3 too many recipients").await;
        }
        self.recipients.push(recipient.to_owned());
        self.say("250 2.1.5 recipient ok").await
    }

    async fn data(&mut self) -> io::Result<Then> {
        let Some(from) = self.from.clone().filter(|_| !self.recipients.is_empty()) else {
            return self.say("503 5.5.1 RCPT first").await;
        };
        if let Some(act) = self.shared.wrong(Stage::Data).await {
            return self.perform(act).await;
        }
        self.say("354 end with a dot alone").await?;
        let Some(bytes) = self.read_content().await? else {
            self.forget();
            return self.say("552 5.3.4 too big").await;
        };
        let recipients = std::mem::take(&mut self.recipients);
        self.forget();
        let act = self.shared.act(Stage::Dot);
        if let Some(act @ Act::Answer(_)) = act {
            return self.perform(act).await;
        }
        let number = self.shared.mails.add(bytes.len(), |number| Mail {
            number,
            received: self.shared.clock.now(),
            envelope_from: from,
            recipients,
            subject: letter::subject(&bytes),
            bytes,
            encrypted: self.encrypted,
            login: self.login.clone(),
            connection: self.connection,
        });
        let kept = format!("250 2.0.0 kept as {number}");
        match act {
            Some(Act::Late(wait)) => {
                tokio::time::sleep(wait).await;
                self.say(&kept).await
            }
            Some(act) => self.perform(act).await,
            None => self.say(&kept).await,
        }
    }

    /// Reads a mail up to the dot that stands alone between two CRLF; `None` when it is too big,
    /// after it has been read to its end.
    async fn read_content(&mut self) -> io::Result<Option<Vec<u8>>> {
        let (mut bytes, mut line, mut too_big) = (Vec::new(), Vec::new(), false);
        let mut line_begins = true;
        loop {
            line.clear();
            let mut limited = (&mut self.stream).take(LINE_BYTES_MAX);
            let read = limited.read_until(b'\n', &mut line);
            if tokio::time::timeout(SILENCE_MAX, read).await?? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line_begins && line == b".\r\n" {
                return Ok((!too_big).then_some(bytes));
            }
            let unstuffed = if line_begins && line[0] == b'.' { &line[1..] } else { &line[..] };
            too_big |= bytes.len() + unstuffed.len() > MAIL_BYTES_MAX;
            if too_big {
                bytes = Vec::new();
            } else {
                bytes.extend_from_slice(unstuffed);
            }
            line_begins = line.ends_with(b"\r\n");
        }
    }

    fn forget(&mut self) {
        self.from = None;
        self.recipients.clear();
    }

    /// Answers a stage as it should be, unless it is time to misbehave.
    async fn reply(&mut self, stage: Stage, line: &str) -> io::Result<Then> {
        match self.shared.wrong(stage).await {
            Some(act) => self.perform(act).await,
            None => self.say(line).await,
        }
    }

    async fn perform(&mut self, act: Act) -> io::Result<Then> {
        match act {
            Act::Answer(line) => {
                self.say(&line).await?;
                Ok(if line.starts_with("421") { Then::Close } else { Then::GoOn })
            }
            Act::Stall => std::future::pending().await,
            Act::Close => Ok(Then::Close),
            Act::Late(wait) => {
                tokio::time::sleep(wait).await;
                Ok(Then::GoOn)
            }
        }
    }

    async fn challenge(&mut self, encoded: &str) -> io::Result<String> {
        self.say(&format!("334 {encoded}")).await?;
        self.read_line().await?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    async fn say(&mut self, line: &str) -> io::Result<Then> {
        let stream = self.stream.get_mut();
        stream.write_all(format!("{line}\r\n").as_bytes()).await?;
        stream.flush().await?;
        Ok(Then::GoOn)
    }

    /// The next command, without its line end; `None` when the client is gone.
    async fn read_line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let mut limited = (&mut self.stream).take(COMMAND_BYTES_MAX);
        let read = limited.read_until(b'\n', &mut line);
        let count = tokio::time::timeout(SILENCE_MAX, read).await??;
        if count == 0 {
            return Ok(None);
        }
        if !line.ends_with(b"\n") {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a command without an end"));
        }
        Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
    }
}

/// `FROM:<a@b> SIZE=1` as (`a@b`, ` SIZE=1`).
fn path<'a>(rest: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let head = rest.get(..keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    rest[keyword.len()..].trim_start().strip_prefix('<')?.split_once('>')
}

fn decoded(encoded: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()
}

/// Name and password out of AUTH PLAIN.
fn plain(encoded: &str) -> Option<(String, String)> {
    let decoded = decoded(encoded)?;
    let mut parts = decoded.split('\0').skip(1);
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}
