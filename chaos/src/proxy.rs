//! The network between a node and PostgreSQL, to be cut in various ways.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// PostgreSQL's message for those who LISTEN (its documentation, "Message Formats").
const NOTIFICATION_RESPONSE: u8 = b'A';

/// Forwards connections from a port of its own to PostgreSQL.
pub struct Proxy {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    control: Arc<Control>,
    task: JoinHandle<()>,
}

struct Control {
    target: u16,
    /// Counts the cuts; each ends the connections that are open.
    cuts: watch::Sender<u64>,
    /// The same for connections that LISTEN.
    listener_cuts: watch::Sender<u64>,
    /// While true, nothing is forwarded and nobody is told.
    is_frozen: watch::Sender<bool>,
    swallows_notifications: AtomicBool,
}

impl Proxy {
    /// Begins to forward to a port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(target: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let control = Arc::new(Control {
            target,
            cuts: watch::Sender::new(0),
            listener_cuts: watch::Sender::new(0),
            is_frozen: watch::Sender::new(false),
            swallows_notifications: AtomicBool::new(false),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&control)));
        Ok(Self {
            port,
            control,
            task,
        })
    }

    /// Resets every connection (RST, not an orderly end).
    pub fn reset(&self) {
        self.control.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Resets the connections on which LISTEN was said.
    pub fn reset_listeners(&self) {
        self.control.listener_cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Forwards nothing any more, or goes on: what packets do that get lost.
    pub fn freeze(&self, frozen: bool) {
        self.control.is_frozen.send_replace(frozen);
    }

    /// Whether PostgreSQL's notifications are left out.
    pub fn swallow_notifications(&self, swallow: bool) {
        self.control
            .swallows_notifications
            .store(swallow, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.reset();
    }
}

async fn accept(listener: TcpListener, control: Arc<Control>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(forward(client, Arc::clone(&control)));
    }
}

async fn forward(mut client: TcpStream, control: Arc<Control>) {
    let mut cuts = control.cuts.subscribe();
    let mut listener_cuts = control.listener_cuts.subscribe();
    thaw(&control).await;
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", control.target)).await else {
        let _ = client.set_zero_linger();
        return;
    };
    let listens = AtomicBool::new(false);
    {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            _ = upstream(from_client, to_server, &control, &listens) => return,
            _ = downstream(from_server, to_client, &control) => return,
            _ = cuts.changed() => {}
            () = cut_while(&listens, &mut listener_cuts) => {}
        }
    }
    // What is dropped with this sends RST.
    let _ = (client.set_zero_linger(), server.set_zero_linger());
}

async fn thaw(control: &Control) {
    let mut frozen = control.is_frozen.subscribe();
    // The sender lives as long as the proxy's connections do.
    let _ = frozen.wait_for(|frozen| !frozen).await;
}

async fn cut_while(listens: &AtomicBool, cuts: &mut watch::Receiver<u64>) {
    while cuts.changed().await.is_ok() {
        if listens.load(Ordering::Relaxed) {
            return;
        }
    }
}

async fn upstream(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    control: &Control,
    listens: &AtomicBool,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        let bytes = &buffer[..length];
        if bytes.windows(7).any(|word| word == b"LISTEN ") {
            listens.store(true, Ordering::Relaxed);
        }
        thaw(control).await;
        to.write_all(bytes).await?;
    }
}

/// Forwards whole messages: one byte for the type, then the length of the rest with these four bytes.
async fn downstream(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    control: &Control,
) -> std::io::Result<()> {
    let mut pending = Vec::new();
    loop {
        if from.read_buf(&mut pending).await? == 0 {
            return Ok(());
        }
        let swallow = control.swallows_notifications.load(Ordering::Relaxed);
        let mut whole = Vec::new();
        while let Some(message) = first_message(&pending) {
            if !(swallow && pending[0] == NOTIFICATION_RESPONSE) {
                whole.extend_from_slice(&pending[..message]);
            }
            pending.drain(..message);
        }
        thaw(control).await;
        to.write_all(&whole).await?;
    }
}

/// The length of the first message, if all of it is there.
fn first_message(bytes: &[u8]) -> Option<usize> {
    let length: [u8; 4] = bytes.get(1..5)?.try_into().ok()?;
    let whole = usize::try_from(u32::from_be_bytes(length)).ok()? + 1;
    (bytes.len() >= whole).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_forwarded_once_all_of_it_is_there() {
        let message = [b'Z', 0, 0, 0, 5, b'I'];
        assert_eq!(first_message(&message[..3]), None);
        assert_eq!(first_message(&message[..5]), None);
        assert_eq!(first_message(&message), Some(6));
        assert_eq!(first_message(&[message, message].concat()), Some(6));
    }
}
