//! The HTTP and HTTPS sockets of the API. Connections are bounded in number, and in the time that
//! they may take to say what they want: who sends nothing holds nothing for long.

use std::sync::Arc;
use std::time::Duration;

use api::router::Secure;
use axum::{Extension, Router};
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What connections may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections of one socket that speak HTTP. Further ones wait in the system's queue. A socket
    /// that became a WebSocket does not count: those have a bound of their own.
    pub connections: usize,
    /// How long a client may take for its TLS handshake.
    pub handshake: Duration,
    /// How long it may take for the head of a request, the time before it included; one that is
    /// kept open without a request ends after it, too.
    pub head: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 4096,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(30),
        }
    }
}

/// Serves until it is aborted, and its connections with it; with an acceptor, over TLS.
pub async fn serve(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
) {
    let router = match acceptor {
        Some(_) => router.layer(Extension(Secure)),
        None => router,
    };
    let room = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        // Never closed.
        let Ok(place) = room.clone().acquire_owned().await else {
            return;
        };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            // Out of files: wait for some to be closed rather than spin.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (acceptor, router) = (acceptor.clone(), router.clone());
        connections.spawn(async move {
            let _place = place;
            converse(stream, acceptor, router, limits).await;
        });
    }
}

/// One connection. One that breaks off is the client's affair.
async fn converse(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
) {
    let Some(acceptor) = acceptor else {
        return over_http1(stream, router, limits).await;
    };
    let handshake = tokio::time::timeout(limits.handshake, acceptor.accept(stream)).await;
    let Ok(Ok(stream)) = handshake else { return };
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => {
            let service = TowerToHyperService::new(router);
            let _ = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                // A client that is gone without a word does not answer.
                .keep_alive_interval(limits.head)
                .keep_alive_timeout(limits.head)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
        _ => over_http1(stream, router, limits).await,
    }
}

async fn over_http1<S>(stream: S, router: Router, limits: Limits)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Instant;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    /// A busy computer's time.
    const SOON: Duration = Duration::from_secs(20);

    async fn serving(limits: Limits) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(|| async { "well" }));
        tokio::spawn(serve(listener, None, router, limits));
        address
    }

    async fn all(stream: &mut TcpStream) -> String {
        let mut text = Vec::new();
        let read = tokio::time::timeout(SOON, stream.read_to_end(&mut text));
        let _ = read.await.expect("the connection is not closed");
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn who_says_too_little_is_let_go() {
        let limits = Limits {
            connections: 3,
            head: Duration::from_millis(600),
            ..Limits::default()
        };
        let address = serving(limits).await;
        // Nothing, one byte, and a head that never ends: they fill the room.
        let mut slow = Vec::new();
        for bytes in [&b""[..], b"P", b"GET / HTTP/1.1\r\nHost: "] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            slow.push(stream);
        }
        let begun = Instant::now();
        let mut next = TcpStream::connect(address).await.unwrap();
        next.write_all(REQUEST).await.unwrap();
        let answer = all(&mut next).await;
        // It waited for room; and what is kept open without a request ends as well.
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with("well"), "{answer}");
        assert!(begun.elapsed() >= Duration::from_millis(500));
        for stream in &mut slow {
            assert!(!all(stream).await.contains("well"));
        }
    }

    #[tokio::test]
    async fn a_connection_that_asks_is_kept() {
        let address = serving(Limits::default()).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        for _ in 0..3 {
            stream.write_all(REQUEST).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"well") {
                let read = tokio::time::timeout(SOON, stream.read_buf(&mut answer));
                assert!(read.await.unwrap().unwrap() > 0);
            }
        }
    }
}
