//! The WebSockets of browser phones: text frames to the owner, text frames back. What they mean is
//! the `browser` crate's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::any;
use browser::SocketId;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;

use crate::drivers::switch::Happening;

/// Frames that wait for a slow page; one that is slower still is cut off, and comes back.
const QUEUE: usize = 256;
/// The largest frame that is read, in bytes; the SDKs' own stay below 5 kB, but for call messages.
const LARGEST: usize = browser::frame::LONGEST;
/// Bytes that each socket keeps for reading: nearly every frame of the SDKs fits, longer ones are read
/// in parts. The library's own 128 kB would be most of what a page at rest costs.
const BUFFER: usize = 4 * 1024;
/// How long a page may take to take a frame.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a socket tells the owner.
#[derive(Debug)]
pub enum Arrival {
    /// It is open, its page asked for this host, and frames for it go here.
    Opened(SocketId, String, mpsc::Sender<Outgoing>),
    /// A text frame came.
    Text(SocketId, String),
    /// It is closed.
    Closed(SocketId),
    /// Its page closed it in all form.
    Left(SocketId),
}

/// What the owner tells a socket.
#[derive(Debug)]
pub enum Outgoing {
    /// Send a text frame.
    Text(String),
    /// Close with this code.
    Close(u16),
}

#[derive(Clone)]
struct Sockets {
    owner: mpsc::Sender<Happening>,
    last: Arc<AtomicU64>,
}

/// `/signal`, where every version of the SDKs knocks. A query is allowed and ignored: some versions
/// are led here by one (`voice-client.md` 1.3).
pub fn router(owner: mpsc::Sender<Happening>) -> Router {
    Router::new()
        .route("/signal", any(upgrade))
        .with_state(Sockets {
            owner,
            last: Arc::default(),
        })
}

async fn upgrade(
    State(sockets): State<Sockets>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_default().to_owned();
    let socket = SocketId(sockets.last.fetch_add(1, Ordering::Relaxed) + 1);
    upgrade
        .read_buffer_size(BUFFER)
        .max_message_size(LARGEST)
        .max_frame_size(LARGEST)
        .on_upgrade(move |stream| carry(socket, host, stream, sockets.owner))
}

async fn carry(id: SocketId, host: String, socket: WebSocket, owner: mpsc::Sender<Happening>) {
    let (sender, mut outgoing) = mpsc::channel(QUEUE);
    let tell = |arrival| owner.send(Happening::Browser(arrival));
    if tell(Arrival::Opened(id, host, sender)).await.is_err() {
        return;
    }
    let (mut sink, mut stream) = socket.split();
    loop {
        tokio::select! {
            frame = stream.next() => match frame {
                Some(Ok(Message::Text(text))) => {
                    if tell(Arrival::Text(id, text.to_string())).await.is_err() {
                        return;
                    }
                }
                // Binary frames, pings and pongs mean nothing to the protocol.
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {}
                // Said by the page as it goes, or by the SDK, which is back in a moment if it lives.
                Some(Ok(Message::Close(_))) => {
                    let _ = tell(Arrival::Left(id)).await;
                    return;
                }
                Some(Err(_)) | None => break,
            },
            word = outgoing.recv() => {
                let (message, last) = match word {
                    Some(Outgoing::Text(text)) => (Message::Text(text.into()), false),
                    Some(Outgoing::Close(code)) => {
                        let frame = CloseFrame { code, reason: "".into() };
                        (Message::Close(Some(frame)), true)
                    }
                    // The owner has forgotten the socket: too slow, or the process ends.
                    None => (Message::Close(Some(CloseFrame { code: 1012, reason: "".into() })), true),
                };
                let sent = tokio::time::timeout(PATIENCE, sink.send(message)).await;
                if last || !matches!(sent, Ok(Ok(()))) {
                    break;
                }
            }
        }
    }
    let _ = tell(Arrival::Closed(id)).await;
}
