//! The proxy of one program: it leads the vendor's hosts here, and everything else where it should
//! go. It listens on loopback only and wants a password, which only the program's environment has.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::authority::below;

/// The vendor's domains.
const VENDOR: [&str; 2] = ["twilio.com", "twiliocdn.com"];
/// The longest head of a request.
const HEAD: usize = 16 * 1024;
/// How long a client may take for it, and how long a connection may take to be made.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at once.
const CONNECTIONS: usize = 512;

/// A running proxy. It ends when this is dropped.
pub struct Proxy {
    /// Its address with name and password, as the environment takes it.
    pub url: String,
    hosts: Arc<Mutex<BTreeMap<String, u64>>>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Ways {
    authorization: String,
    http: SocketAddr,
    https: SocketAddr,
    hosts: Arc<Mutex<BTreeMap<String, u64>>>,
    first: Box<dyn Fn(&str) + Send + Sync>,
}

impl Proxy {
    /// Starts. `http` and `https` are where Switchboard serves its API; `first` is told of each
    /// host of the vendor's that is asked for the first time.
    pub async fn start(
        http: SocketAddr,
        https: SocketAddr,
        first: impl Fn(&str) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let password = format!("{:032x}", rand::random::<u128>());
        let hosts = Arc::<Mutex<BTreeMap<_, _>>>::default();
        let ways = Arc::new(Ways {
            authorization: format!(
                "Basic {}",
                STANDARD.encode(format!("switchboard:{password}"))
            ),
            http,
            https,
            hosts: hosts.clone(),
            first: Box::new(first),
        });
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let task = tokio::spawn(async move {
            loop {
                let Ok(permit) = room.clone().acquire_owned().await else {
                    return;
                };
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let ways = ways.clone();
                tokio::spawn(async move {
                    // A connection that breaks off is the program's affair.
                    let _ = ways.serve(stream).await;
                    drop(permit);
                });
            }
        });
        Ok(Proxy {
            url: format!("http://switchboard:{password}@{address}"),
            hosts,
            task,
        })
    }

    /// The vendor's hosts that were asked for, with the number of connections.
    pub fn counted(&self) -> BTreeMap<String, u64> {
        self.hosts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Ways {
    async fn serve(&self, mut near: TcpStream) -> std::io::Result<()> {
        let read = tokio::time::timeout(PATIENCE, head(&mut near)).await;
        let Ok(Some((head, rest))) = read.unwrap_or(Ok(None)) else {
            return refuse(&mut near, "400 Bad Request", "").await;
        };
        let Some(request) = Request::parse(&head) else {
            return refuse(&mut near, "400 Bad Request", "").await;
        };
        if request.authorization != Some(self.authorization.as_str()) {
            let ask = "Proxy-Authenticate: Basic realm=\"switchboard run\"\r\n";
            return refuse(&mut near, "407 Proxy Authentication Required", ask).await;
        }
        let connecting = tokio::time::timeout(PATIENCE, self.connect(&request.target));
        let Ok(Ok(mut far)) = connecting.await else {
            return refuse(&mut near, "502 Bad Gateway", "").await;
        };
        let _ = far.set_nodelay(true);
        let _ = near.set_nodelay(true);
        match request.forwarded {
            None => {
                near.write_all(b"HTTP/1.1 200 Connection Established\r\n\r\n")
                    .await?
            }
            Some(head) => far.write_all(head.as_bytes()).await?,
        }
        far.write_all(&rest).await?;
        copy_bidirectional(&mut near, &mut far).await.map(drop)
    }

    async fn connect(&self, target: &Target) -> std::io::Result<TcpStream> {
        let vendor = VENDOR.iter().any(|domain| below(&target.host, domain));
        let here = match target.port {
            443 if vendor => Some(self.https),
            80 if vendor => Some(self.http),
            _ => None,
        };
        let Some(here) = here else {
            return TcpStream::connect((target.host.as_str(), target.port)).await;
        };
        let new = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            let count = hosts.entry(target.host.to_ascii_lowercase()).or_insert(0);
            *count += 1;
            *count == 1
        };
        if new {
            (self.first)(&target.host);
        }
        TcpStream::connect(here).await
    }
}

async fn refuse(near: &mut TcpStream, status: &str, headers: &str) -> std::io::Result<()> {
    let answer =
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n");
    near.write_all(answer.as_bytes()).await
}

/// The head of a request, and what came behind it.
async fn head(near: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = near.read(&mut buffer).await?;
        bytes.extend_from_slice(&buffer[..read]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok(String::from_utf8(bytes).ok().map(|head| (head, rest)));
        }
        if read == 0 || bytes.len() > HEAD {
            return Ok(None);
        }
    }
}

#[derive(Debug, PartialEq)]
struct Target {
    host: String,
    port: u16,
}

/// What a client asks of a proxy (RFC 9110 section 9.3.6, RFC 9112 section 3.2.2).
struct Request<'a> {
    target: Target,
    authorization: Option<&'a str>,
    /// The head for the server; none for CONNECT.
    forwarded: Option<String>,
}

impl<'a> Request<'a> {
    fn parse(head: &'a str) -> Option<Self> {
        let (line, headers) = head.split_once("\r\n")?;
        let mut words = line.split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() || !version.starts_with("HTTP/1.") {
            return None;
        }
        let headers: Vec<(&str, &str)> = headers
            .split("\r\n")
            .filter(|line| !line.is_empty())
            .map(|line| {
                line.split_once(':')
                    .map(|(name, value)| (name, value.trim()))
            })
            .collect::<Option<_>>()?;
        let authorization = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"))
            .map(|(_, value)| *value);
        if method == "CONNECT" {
            let (host, port) = target.rsplit_once(':')?;
            let host = host.trim_start_matches('[').trim_end_matches(']');
            return Some(Request {
                target: Target {
                    host: host.to_owned(),
                    port: port.parse().ok()?,
                },
                authorization,
                forwarded: None,
            });
        }
        let url = url::Url::parse(target)
            .ok()
            .filter(|url| url.scheme() == "http")?;
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        // One request a connection: the next may be for another server.
        let mut forwarded = format!("{method} {path} {version}\r\nConnection: close\r\n");
        for (name, value) in headers {
            let ours = [
                "connection",
                "proxy-connection",
                "proxy-authorization",
                "keep-alive",
            ];
            if !ours.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
                forwarded += &format!("{name}: {value}\r\n");
            }
        }
        Some(Request {
            target: Target {
                host: url.host_str()?.trim_matches(['[', ']']).to_owned(),
                port: url.port_or_known_default()?,
            },
            authorization,
            forwarded: Some(forwarded + "\r\n"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that says its name and repeats what it is sent.
    async fn server(name: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 1024];
                    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                        let said = String::from_utf8_lossy(&buffer[..read]).into_owned();
                        let _ = stream.write_all(format!("{name}|{said}").as_bytes()).await;
                    }
                });
            }
        });
        address
    }

    /// Says lines to the proxy one after another, and gives the answer to each.
    async fn talk(url: &str, lines: &[String]) -> Vec<String> {
        let address = url.rsplit_once('@').unwrap().1;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut answers = Vec::new();
        for line in lines {
            stream.write_all(line.as_bytes()).await.unwrap();
            let mut buffer = [0; 2048];
            let read = stream.read(&mut buffer).await.unwrap();
            answers.push(String::from_utf8_lossy(&buffer[..read]).into_owned());
        }
        answers
    }

    fn authorization(url: &str) -> String {
        let secret = url
            .trim_start_matches("http://")
            .rsplit_once('@')
            .unwrap()
            .0;
        format!("proxy-authorization: Basic {}\r\n", STANDARD.encode(secret))
    }

    #[tokio::test]
    async fn the_vendors_hosts_are_led_here_and_others_where_they_should_go() {
        let (http, https, other) = (
            server("http").await,
            server("https").await,
            server("other").await,
        );
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = told.clone();
        let first = move |host: &str| telling.lock().unwrap().push(host.to_owned());
        let proxy = Proxy::start(http, https, first).await.unwrap();
        let key = authorization(&proxy.url);

        for _ in 0..2 {
            let connect = format!("CONNECT api.twilio.com:443 HTTP/1.1\r\n{key}\r\n");
            let answers = talk(&proxy.url, &[connect, "hello".to_owned()]).await;
            assert!(answers[0].starts_with("HTTP/1.1 200 "), "{answers:?}");
            assert_eq!(answers[1], "https|hello");
        }
        let connect = format!("CONNECT {other} HTTP/1.1\r\n{key}\r\n");
        let answers = talk(&proxy.url, &[connect, "hello".to_owned()]).await;
        assert_eq!(answers[1], "other|hello");

        let plain = format!(
            "POST http://api.twilio.com/a?b=c HTTP/1.1\r\nHost: api.twilio.com\r\nConnection: keep-alive\r\n{key}\r\nbody"
        );
        let answers = talk(&proxy.url, &[plain]).await;
        assert_eq!(
            answers[0]
                .split("|")
                .nth(1)
                .unwrap()
                .trim_end_matches("http")
                .trim_end_matches("body"),
            "POST /a?b=c HTTP/1.1\r\nConnection: close\r\nHost: api.twilio.com\r\n\r\n"
        );
        let plain = format!("GET http://{other}/ HTTP/1.1\r\nHost: x\r\n{key}\r\n");
        assert!(talk(&proxy.url, &[plain]).await[0].starts_with("other|GET / HTTP/1.1\r\n"));
        assert_eq!(*told.lock().unwrap(), ["api.twilio.com"]);
        assert_eq!(proxy.counted()["api.twilio.com"], 3);
    }

    #[tokio::test]
    async fn nobody_without_the_password_gets_through() {
        let https = server("https").await;
        let proxy = Proxy::start(https, https, |_| ()).await.unwrap();
        for headers in ["", "Proxy-Authorization: Basic c3dpdGNoYm9hcmQ6\r\n"] {
            let connect = format!("CONNECT api.twilio.com:443 HTTP/1.1\r\n{headers}\r\n");
            let answers = talk(&proxy.url, &[connect]).await;
            assert!(answers[0].starts_with("HTTP/1.1 407 "), "{answers:?}");
        }
        for nonsense in [
            "\r\n\r\n",
            "CONNECT x HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET ftp://x/ HTTP/1.1\r\n\r\n",
        ] {
            let answers = talk(&proxy.url, &[nonsense.to_owned()]).await;
            assert!(
                answers[0].starts_with("HTTP/1.1 400 "),
                "{nonsense:?}: {answers:?}"
            );
        }
        assert!(proxy.counted().is_empty());
    }
}
