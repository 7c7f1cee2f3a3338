//! The far side: HTTP/1.1 spoken by hand, so that connections can be counted and ended at any place.

use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::Count;

/// What it does with what comes.
#[derive(Clone)]
pub(super) enum Manner {
    /// Answers 200 and keeps the connection.
    Keep,
    /// Answers 200 and hangs up without having said so.
    HangUp,
    /// Answers 200, and takes a second message of a connection without a word.
    SwallowSecond,
    /// Answers with a status and a `Location`.
    Redirect(u16, String),
    /// As a proxy, whatever it is asked for: connects to a port of this machine.
    Tunnel(u16),
}

/// A listening far side.
pub(super) struct Far {
    port: u16,
    url_host: String,
    heads: Arc<Mutex<Vec<String>>>,
    connections: Count,
    ended: watch::Receiver<usize>,
}

impl Far {
    pub(super) async fn plain(listen: &str, manner: Manner) -> Far {
        Far::start(listen, None, manner).await
    }

    pub(super) async fn tls(listen: &str, pki: &Pki, manner: Manner) -> Far {
        Far::start(listen, Some(TlsAcceptor::from(Arc::clone(&pki.server))), manner).await
    }

    async fn start(listen: &str, tls: Option<TlsAcceptor>, manner: Manner) -> Far {
        let listener = TcpListener::bind(listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heads, connections) = (Arc::new(Mutex::new(Vec::new())), Count::default());
        let (ending, ended) = watch::channel(0);
        let (kept, count) = (Arc::clone(&heads), connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.up();
                let (tls, manner) = (tls.clone(), manner.clone());
                let (kept, ending) = (Arc::clone(&kept), ending.clone());
                tokio::spawn(async move {
                    match tls {
                        None => talk(stream, &manner, &kept).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => talk(stream, &manner, &kept).await,
                            Err(_) => None,
                        },
                    };
                    ending.send_modify(|count| *count += 1);
                });
            }
        });
        let url_host = address.ip().to_string();
        Far { port: address.port(), url_host, heads, connections, ended }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// How many connections were accepted.
    pub(super) fn connections(&self) -> usize {
        self.connections.get()
    }

    /// How many requests came.
    pub(super) fn requests(&self) -> usize {
        self.heads().len()
    }

    /// Request lines with their headers, as they came.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// Waits until so many connections have ended on this side.
    pub(super) async fn ended(&mut self, count: usize) {
        self.ended.wait_for(|ended| count <= *ended).await.unwrap();
    }

    /// One exchange by another connection.
    pub(super) async fn round_trip(&self) {
        let mut stream = TcpStream::connect((self.url_host.as_str(), self.port)).await.unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).await.unwrap();
    }
}

/// Serves one connection; what it returns means nothing but its end.
async fn talk<S>(mut stream: S, manner: &Manner, heads: &Mutex<Vec<String>>) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    for number in 1_usize.. {
        let head = request(&mut stream).await?;
        heads.lock().unwrap().push(head);
        let answer = match manner {
            Manner::SwallowSecond if number == 2 => return None,
            Manner::Tunnel(port) => {
                let mut to = TcpStream::connect(("127.0.0.1", *port)).await.ok()?;
                stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.ok()?;
                tokio::io::copy_bidirectional(&mut stream, &mut to).await.ok()?;
                return None;
            }
            Manner::Redirect(status, to) => format!(
                "HTTP/1.1 {status} Elsewhere\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"
            ),
            Manner::Keep | Manner::HangUp | Manner::SwallowSecond => {
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned()
            }
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
        if matches!(manner, Manner::HangUp) {
            return None;
        }
    }
    None
}

/// Reads one request; `None` when there is no other. Returns its head.
async fn request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.trim().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(head)
}

/// An authority of one's own and a certificate for one host.
pub(super) struct Pki {
    authority: String,
    server: Arc<ServerConfig>,
}

impl Pki {
    pub(super) fn new(host: &str) -> Pki {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&key).unwrap();
        let issuer = rcgen::Issuer::new(authority, key);
        let key = rcgen::KeyPair::generate().unwrap();
        let leaf = rcgen::CertificateParams::new(vec![host.to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &issuer).unwrap();
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], private)
            .unwrap();
        Pki { authority: certificate.pem(), server: Arc::new(server) }
    }

    /// The authority's certificate, in PEM.
    pub(super) fn authority(&self) -> Vec<u8> {
        self.authority.clone().into_bytes()
    }
}
