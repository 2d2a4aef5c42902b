//! A proxy before an echo server: every fault seen from the client, and what is counted.
//!
//! Times are real, so tests assert orders and lower bounds, never that something was quick.

use std::io::ErrorKind;
use std::num::NonZeroU64;
use std::path::PathBuf;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::time::{Instant, timeout};

use super::*;

/// What must not happen is waited for this long; on a busy machine it would only be missed, never invented.
const QUIET: Duration = Duration::from_millis(60);

const MS: Duration = Duration::from_millis(1);

/// An echo server; every answer begins with its letter.
async fn echo(letter: u8) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 65_536];
                while let Ok(read @ 1..) = socket.read(&mut buffer).await {
                    let mut answer = vec![letter];
                    answer.extend_from_slice(&buffer[..read]);
                    if socket.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// A proxy before an echo server.
async fn proxy() -> Proxy {
    Proxy::start(echo(b'a').await).unwrap()
}

async fn client(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

/// Sends one byte and reads the answer's letter.
async fn ask(client: &mut TcpStream) -> std::io::Result<u8> {
    client.write_all(b"?").await?;
    let mut answer = [0; 2];
    client.read_exact(&mut answer).await?;
    assert_eq!(answer[1], b'?');
    Ok(answer[0])
}

/// What the client sees next: so many bytes, or an error.
async fn next(client: &mut TcpStream) -> Result<usize, ErrorKind> {
    client.read(&mut [0; 1024]).await.map_err(|error| error.kind())
}

/// Whether the client sees nothing at all.
async fn is_quiet(client: &mut TcpStream) -> bool {
    timeout(QUIET, next(client)).await.is_err()
}

#[tokio::test]
async fn without_faults_bytes_pass_and_are_counted() {
    let proxy = proxy().await;
    let mut client = client(&proxy).await;
    for _ in 0..3 {
        assert_eq!(ask(&mut client).await.unwrap(), b'a');
    }
    let stats = proxy.stats();
    let expected =
        Traffic { bytes_to_server: 3, bytes_to_client: 6, bytes_swallowed: 0, turns: 3, round_trips: 3 };
    assert_eq!(stats.traffic, expected);
    assert_eq!((stats.accepted, stats.open, stats.refused, stats.unreachable), (1, 1, 0, 0));
    let [connection] = proxy.connections()[..] else { panic!("one is open") };
    assert_eq!((connection.number, connection.traffic), (1, expected));
    assert_eq!(connection.peer, client.local_addr().unwrap());

    drop(client);
    proxy.until_open_at_most(0).await;
    assert_eq!(proxy.stats(), ProxyStats { open: 0, ..stats }, "an ended connection stays counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn much_data_arrives_whole_and_in_order_with_faults_coming_and_going() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).unwrap();
    let sent: Vec<u8> = (0..4_000_000u32).map(|number| (number % 251) as u8).collect();
    let expected = sent.clone();
    let mut client = client(&proxy).await;
    let sender = tokio::spawn(async move {
        client.write_all(&sent).await.unwrap();
        client.shutdown().await.unwrap();
        client
    });
    let receiver = tokio::spawn(async move {
        let (mut server, _) = listener.accept().await.unwrap();
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        received
    });
    for round in 0..10 {
        proxy.set(Fault::Latency { delay: MS, jitter: 5 * MS }).unwrap();
        sleep(2 * MS).await;
        if round % 2 == 0 {
            proxy.set(Fault::Stall).unwrap();
            sleep(2 * MS).await;
        }
        proxy.set(Fault::Bandwidth { bytes_per_second: NonZeroU64::new(50_000_000).unwrap() }).unwrap();
        proxy.clear().unwrap();
        sleep(MS).await;
    }
    assert!(receiver.await.unwrap() == expected, "the bytes are other ones");
    drop(sender.await.unwrap());
    assert_eq!(proxy.stats().traffic.bytes_to_server, 4_000_000);
}

#[tokio::test]
async fn latency_delays_the_direction_it_is_set_for_and_no_other() {
    let proxy = proxy().await;
    let mut client = client(&proxy).await;
    proxy.set(Fault::latency(80 * MS).to(Direction::ToClient)).unwrap();
    let asked = Instant::now();
    client.write_all(b"?").await.unwrap();
    // The server has answered while the answer is still under way.
    while proxy.stats().traffic.round_trips == 0 {
        tokio::task::yield_now().await;
    }
    let mut answer = [0; 2];
    client.read_exact(&mut answer).await.unwrap();
    assert!(asked.elapsed() >= 80 * MS, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn latency_adds_up_over_both_directions() {
    let proxy = proxy().await;
    let mut client = client(&proxy).await;
    proxy.set(Fault::Latency { delay: 30 * MS, jitter: 5 * MS }).unwrap();
    let asked = Instant::now();
    ask(&mut client).await.unwrap();
    assert!(asked.elapsed() >= 60 * MS, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn bytes_under_way_arrive_when_the_latency_is_lifted() {
    let proxy = proxy().await;
    let mut client = client(&proxy).await;
    proxy.set(Fault::latency(Duration::from_secs(3600))).unwrap();
    client.write_all(b"?").await.unwrap();
    assert!(is_quiet(&mut client).await);
    proxy.lift(FaultKind::Latency).unwrap();
    assert_eq!(next(&mut client).await, Ok(2));
}

#[tokio::test]
async fn a_bandwidth_limit_is_never_exceeded() {
    let proxy = proxy().await;
    let limit = Fault::Bandwidth { bytes_per_second: NonZeroU64::new(10_000).unwrap() };
    proxy.set(limit.to(Direction::ToClient)).unwrap();
    let mut client = client(&proxy).await;
    let asked = Instant::now();
    client.write_all(&[b'x'; 1999]).await.unwrap();
    client.read_exact(&mut [0; 2000]).await.unwrap();
    assert!(asked.elapsed() >= 200 * MS, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_blackhole_swallows_bytes_and_keeps_the_connection_open() {
    let proxy = proxy().await;
    let mut old = client(&proxy).await;
    ask(&mut old).await.unwrap();
    proxy.set(Fault::Blackhole).unwrap();
    let mut new = client(&proxy).await;
    old.write_all(b"lost").await.unwrap();
    new.write_all(b"lost").await.unwrap();
    while proxy.stats().traffic.bytes_swallowed < 8 {
        tokio::task::yield_now().await;
    }
    assert!(is_quiet(&mut old).await && is_quiet(&mut new).await);
    let stats = proxy.stats();
    assert_eq!((stats.traffic.bytes_swallowed, stats.open), (8, 2));
    assert_eq!((stats.traffic.turns, stats.traffic.round_trips), (1, 1), "no question that got lost");

    proxy.clear().unwrap();
    ask(&mut old).await.unwrap();
    ask(&mut new).await.unwrap();
}

#[tokio::test]
async fn the_end_of_a_stream_in_a_blackhole_arrives_when_it_is_lifted() {
    let proxy = proxy().await;
    let mut client = client(&proxy).await;
    ask(&mut client).await.unwrap();
    proxy.set(Fault::Blackhole).unwrap();
    client.shutdown().await.unwrap();
    assert!(is_quiet(&mut client).await);
    proxy.clear().unwrap();
    assert_eq!(next(&mut client).await, Ok(0));
}

#[tokio::test]
async fn a_stall_loses_nothing() {
    let proxy = proxy().await;
    let mut client = client(&proxy).await;
    proxy.set(Fault::Stall).unwrap();
    client.write_all(b"?").await.unwrap();
    assert!(is_quiet(&mut client).await);
    proxy.clear().unwrap();
    assert_eq!(next(&mut client).await, Ok(2));
    assert_eq!(proxy.stats().traffic.bytes_swallowed, 0);
}

#[tokio::test]
async fn refusing_takes_effect_at_once_and_so_does_its_end() {
    let proxy = proxy().await;
    let mut old = client(&proxy).await;
    for _ in 0..20 {
        proxy.set(Fault::Refuse).unwrap();
        let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        ask(&mut old).await.unwrap();
        proxy.clear().unwrap();
        ask(&mut client(&proxy).await).await.unwrap();
    }
    assert_eq!(proxy.stats().accepted, 21);
}

#[tokio::test]
async fn connections_that_wait_to_be_accepted_outlive_the_start_of_refusing() {
    let proxy = proxy().await;
    let mut waiting = client(&proxy).await;
    proxy.set(Fault::Refuse).unwrap();
    assert_eq!(ask(&mut waiting).await.unwrap(), b'a');
}

#[tokio::test]
async fn a_port_that_somebody_took_meanwhile_is_told_and_opened_later() {
    let proxy = proxy().await;
    proxy.set(Fault::Refuse).unwrap();
    // By its number, with address reuse as the standard library does it; nobody is given it by chance.
    let taken = std::net::TcpListener::bind(proxy.address()).unwrap();
    let error = proxy.clear().unwrap_err();
    assert!(matches!(error, ProxyError::Listen { address, .. } if address == proxy.address()), "{error}");
    drop(taken);
    proxy.clear().unwrap();
    ask(&mut client(&proxy).await).await.unwrap();
}

#[tokio::test]
async fn refusing_only_some_is_an_error_that_changes_nothing() {
    let proxy = proxy().await;
    let rule = Fault::Refuse.share(Share::new(0.5).unwrap());
    let error = proxy.set(rule).unwrap_err();
    assert_eq!(
        format!("failed to {error}"),
        "failed to refuse a part of the connections: who does not listen refuses all of them"
    );
    assert_eq!(proxy.rules(), []);
    ask(&mut client(&proxy).await).await.unwrap();
}

#[tokio::test]
async fn a_reset_tears_down_open_connections_and_new_ones() {
    let proxy = proxy().await;
    let mut old = client(&proxy).await;
    ask(&mut old).await.unwrap();
    proxy.set(Fault::Reset).unwrap();
    assert_eq!(next(&mut old).await, Err(ErrorKind::ConnectionReset));
    let mut new = client(&proxy).await;
    assert_eq!(next(&mut new).await, Err(ErrorKind::ConnectionReset));
    proxy.until_open_at_most(0).await;
    assert_eq!(proxy.stats().refused, 1, "only the new one was never connected");
    proxy.clear().unwrap();
    ask(&mut client(&proxy).await).await.unwrap();
}

#[tokio::test]
async fn a_rule_for_new_connections_leaves_open_ones_alone() {
    let proxy = proxy().await;
    let mut old = client(&proxy).await;
    ask(&mut old).await.unwrap();
    proxy.set(Fault::Reset.new_only()).unwrap();
    let mut new = client(&proxy).await;
    assert_eq!(next(&mut new).await, Err(ErrorKind::ConnectionReset));
    ask(&mut old).await.unwrap();
}

#[tokio::test]
async fn a_share_of_the_connections_is_the_same_in_every_run_of_a_seed() {
    let upstream = echo(b'a').await;
    let run = async |seed| {
        let proxy = Proxy::builder(upstream).seed(seed).start().unwrap();
        proxy.set(Fault::Reset.share(Share::new(0.5).unwrap())).unwrap();
        let mut reset = Vec::new();
        for _ in 0..32 {
            reset.push(ask(&mut client(&proxy).await).await.is_err());
        }
        reset
    };
    let first = run(3).await;
    assert_eq!(first, run(3).await);
    assert_ne!(first, run(4).await);
    assert!(first.contains(&true) && first.contains(&false));
}

#[tokio::test]
async fn a_half_close_ends_one_direction_and_the_other_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).unwrap();
    let mut client = client(&proxy).await;
    let (mut server, _) = listener.accept().await.unwrap();
    proxy.set(Fault::HalfClose.to(Direction::ToClient)).unwrap();
    assert_eq!(next(&mut client).await, Ok(0));
    client.write_all(b"still").await.unwrap();
    server.read_exact(&mut [0; 5]).await.unwrap();
    server.write_all(b"lost").await.unwrap();
    drop(client);
    assert_eq!(next(&mut server).await, Ok(0));
    drop(server);
    proxy.until_open_at_most(0).await;
    assert_eq!(proxy.stats().traffic.bytes_swallowed, 4);
}

#[tokio::test]
async fn silence_accepts_and_never_asks_the_upstream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).unwrap();
    proxy.set(Fault::Silence).unwrap();
    let mut silent = client(&proxy).await;
    silent.write_all(b"hello?").await.unwrap();
    assert!(is_quiet(&mut silent).await);
    assert!(timeout(QUIET, listener.accept()).await.is_err());
    proxy.clear().unwrap();
    let mut new = client(&proxy).await;
    let (mut server, _) = listener.accept().await.unwrap();
    new.write_all(b"hello").await.unwrap();
    server.read_exact(&mut [0; 5]).await.unwrap();
    assert!(is_quiet(&mut silent).await, "what was silent stays so");
}

#[tokio::test]
async fn limited_data_passes_to_the_last_byte_and_then_the_connection_ends() {
    for (ending, expected) in [(Ending::Fin, Ok(0)), (Ending::Reset, Err(ErrorKind::ConnectionReset))] {
        let proxy = proxy().await;
        let mut client = client(&proxy).await;
        ask(&mut client).await.unwrap();
        proxy.set(Fault::Limit { bytes: 5, ending }.to(Direction::ToClient)).unwrap();
        ask(&mut client).await.unwrap();
        proxy.set(Fault::latency(Duration::ZERO)).unwrap();
        client.write_all(b"0123456789").await.unwrap();
        let mut rest = [0; 3];
        client.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"a01", "another fault does not begin the count anew");
        assert_eq!(next(&mut client).await, expected);
        proxy.until_open_at_most(0).await;
    }
}

#[tokio::test]
async fn all_connections_can_be_reset_or_closed_from_here() {
    let proxy = proxy().await;
    for (ending, expected) in [(Ending::Reset, Err(ErrorKind::ConnectionReset)), (Ending::Fin, Ok(0))] {
        let (mut one, mut two) = (client(&proxy).await, client(&proxy).await);
        ask(&mut one).await.unwrap();
        ask(&mut two).await.unwrap();
        let ended = match ending {
            Ending::Reset => proxy.reset_all().await,
            Ending::Fin => proxy.close_all().await,
        };
        assert_eq!((ended, proxy.stats().open), (2, 0));
        assert_eq!(next(&mut one).await, expected);
        assert_eq!(next(&mut two).await, expected);
    }
}

#[tokio::test]
async fn a_reset_of_the_server_is_passed_on_to_the_client() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).unwrap();
    let mut client = client(&proxy).await;
    let (server, _) = listener.accept().await.unwrap();
    server.set_zero_linger().unwrap();
    drop(server);
    assert_eq!(next(&mut client).await, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_resets_the_client_and_is_counted() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let proxy = Proxy::start(gone).unwrap();
    assert_eq!(next(&mut client(&proxy).await).await, Err(ErrorKind::ConnectionReset));
    proxy.until_open_at_most(0).await;
    assert_eq!((proxy.stats().accepted, proxy.stats().unreachable), (1, 1));
}

#[tokio::test]
async fn another_upstream_serves_new_connections_and_open_ones_stay() {
    let proxy = proxy().await;
    let mut old = client(&proxy).await;
    assert_eq!(ask(&mut old).await.unwrap(), b'a');
    proxy.set_upstream(echo(b'b').await);
    assert_eq!(ask(&mut client(&proxy).await).await.unwrap(), b'b');
    assert_eq!(ask(&mut old).await.unwrap(), b'a');
}

#[tokio::test]
async fn the_upstream_may_be_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let proxy = Proxy::start(path).unwrap();
    let mut client = client(&proxy).await;
    let (mut server, _) = listener.accept().await.unwrap();
    client.write_all(b"hello").await.unwrap();
    server.read_exact(&mut [0; 5]).await.unwrap();
    server.write_all(b"hi").await.unwrap();
    drop(server);
    assert_eq!(next(&mut client).await, Ok(2));
    assert_eq!(next(&mut client).await, Ok(0));
}

#[tokio::test]
async fn a_taken_port_is_told() {
    let proxy = proxy().await;
    let taken = proxy.address();
    let error = Proxy::builder(taken).port(taken.port()).start().unwrap_err();
    assert_eq!(error.to_string(), format!("listen on {taken}"));
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn dropping_the_proxy_gives_up_the_port_and_ends_all_connections() {
    let proxy = proxy().await;
    let address = proxy.address();
    let mut silent = client(&proxy).await;
    let mut asking = client(&proxy).await;
    ask(&mut asking).await.unwrap();
    let table = Arc::clone(&proxy.table);
    drop(proxy);
    assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    table.at_most(0).await;
    assert!(matches!(next(&mut asking).await, Ok(0) | Err(ErrorKind::ConnectionReset)));
    assert!(matches!(next(&mut silent).await, Ok(0) | Err(ErrorKind::ConnectionReset)));
    // No task is left that would hold it.
    while Arc::strong_count(&table) > 1 {
        tokio::task::yield_now().await;
    }
}
