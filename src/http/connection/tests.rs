//! A connection over a stream that is no socket.

use super::*;
use std::future::poll_fn;

/// What a client sends, and what it gets.
#[derive(Debug, Default)]
struct Memory {
    sends: Vec<u8>,
    gets: Vec<u8>,
    is_flushed: bool,
}

impl AsyncRead for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buf.put_slice(&std::mem::take(&mut self.sends));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // As an encrypted stream does, it takes little at a time and keeps it until the flush.
        let count = buf.len().min(100);
        self.gets.extend_from_slice(&buf[..count]);
        self.is_flushed = false;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_flushed = true;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn connection(sends: &[u8]) -> Connection<Memory> {
    let deadline = Deadlines {
        crowded: Arc::new(Semaphore::new(1)),
        bodies: Arc::new(Bodies::new(1)),
        deadline: Duration::from_secs(60),
        _place: None,
    };
    let stream = Memory { sends: sends.to_vec(), ..Memory::default() };
    Connection::new(stream, InFlight::default(), deadline, Metrics::new().unwrap())
}

async fn read(connection: &mut Connection<Memory>) -> Vec<u8> {
    let mut space = [0; 256];
    let mut buf = ReadBuf::new(&mut space);
    poll_fn(|cx| Pin::new(&mut *connection).poll_read(cx, &mut buf)).await.unwrap();
    buf.filled().to_vec()
}

#[tokio::test]
async fn http_2_has_its_answer_on_any_stream() {
    let mut connection = connection(refusal::HTTP_2_PREFACE);
    assert!(read(&mut connection).await.is_empty());
    assert_eq!(connection.stream.gets, refusal::http_2());
    assert!(connection.stream.is_flushed);
}

#[tokio::test]
async fn an_answer_of_the_library_becomes_a_problem_document_on_any_stream() {
    let mut connection = connection(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(read(&mut connection).await, b"GET / HTTP/1.1\r\n\r\n");
    let answer =
        b"HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-length: 0\r\ndate: today\r\n\r\n";
    let count = poll_fn(|cx| Pin::new(&mut connection).poll_write(cx, answer)).await.unwrap();
    // However many pieces the stream takes, the library learns that its own answer went out.
    assert_eq!(count, answer.len());
    let text = String::from_utf8(connection.stream.gets).unwrap();
    assert!(text.starts_with("HTTP/1.1 414 ") && text.contains("application/problem+json"), "{text}");
}
