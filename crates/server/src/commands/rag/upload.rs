//! A file on its way to a server, piece by piece.

use std::fmt::Write;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::digest;
use bytes::Bytes;
use bytes::BytesMut;
use futures::Stream;
use futures::StreamExt;
use futures::TryStreamExt;
use futures::stream;
use http::StatusCode;
use reqwest::Body;
use serde_json::Value;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::commands::Failure;
use crate::commands::api::Api;

/// What is read at once.
const PIECE: usize = 64 * 1024;
/// How long a file may take to arrive, and the answer to come.
const TIME: Duration = Duration::from_mins(30);
/// Between the parts of a form: nothing that a file would have in it by chance.
const BOUNDARY: &str = "agent-server-4a1f6c1f0c6e4f7e9d7f3b3a";

/// A file as a server knows it.
#[derive(Debug)]
pub struct Known {
    pub path: PathBuf,
    /// As `content_hash` of documents has it.
    pub hash: String,
    length: u64,
}

/// The document of a file that was sent, which may have been there before.
#[derive(Debug)]
pub enum Sent {
    New(Value),
    Known(Value),
}

impl Known {
    /// Reads all of a file once.
    pub async fn read(path: &Path) -> io::Result<Self> {
        let (mut context, mut length) = (digest::Context::new(&digest::SHA256), 0);
        let mut pieces = std::pin::pin!(pieces(path.to_owned()));
        while let Some(piece) = pieces.try_next().await? {
            context.update(&piece);
            length += piece.len() as u64;
        }
        let mut hash = "sha256:".to_owned();
        for byte in context.finish().as_ref() {
            let _ = write!(hash, "{byte:02x}");
        }
        Ok(Self { path: path.to_owned(), hash, length })
    }

    /// Sends it as a form, with `fields` of JSON beside it.
    pub async fn send(
        &self,
        api: &Api,
        path: &str,
        fields: &[(&str, Value)],
    ) -> Result<Sent, Failure> {
        let mut head = String::new();
        for (name, value) in fields {
            let _ = write!(
                head,
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
        }
        let name = escaped(&self.path.to_string_lossy());
        let _ = write!(
            head,
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
        );
        let tail = format!("\r\n--{BOUNDARY}--\r\n");
        let length = head.len() as u64 + self.length + tail.len() as u64;
        let (head, tail) = (Bytes::from(head), Bytes::from(tail));
        let around = |bytes: &Bytes| stream::iter([Ok(bytes.clone())]);
        let answer = api.patiently(path, |http, url| {
            let body = around(&head).chain(pieces(self.path.clone())).chain(around(&tail));
            http.post(url)
                .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
                .header("content-length", length)
                .body(Body::wrap_stream(body))
                .timeout(TIME)
        });
        let answer = answer.await?;
        let is_new = answer.status() == StatusCode::CREATED;
        let document = answer.json().await?;
        Ok(if is_new { Sent::New(document) } else { Sent::Known(document) })
    }
}

/// The bytes of the file at `path`, which is opened when they are asked for.
fn pieces(path: PathBuf) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold(None, move |file: Option<File>| {
        let path = path.clone();
        async move {
            let mut file = match file {
                Some(file) => file,
                None => File::open(&path).await?,
            };
            let mut piece = BytesMut::with_capacity(PIECE);
            let read = file.read_buf(&mut piece).await?;
            Ok((read > 0).then(|| (piece.freeze(), Some(file))))
        }
    })
}

/// A name as browsers write it in a form.
fn escaped(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}
