//! An outage, seen from a pool behind a circuit breaker. Needs no server.
//!
//! Run it with `cargo run -p pool-health --example outage`. A scripted server dies and comes back; what callers are told
//! meanwhile is printed, and how the breaker and the pool find out by themselves that it is over.

use std::error::Error;
use std::time::{Duration, SystemTime};

use pool_core::fake::FakeConnector;
use pool_core::{AcquireError, Pool};
use pool_health::{BreakerSettings, CircuitBreaker, Guarded, Retry, RetryBudget, RetrySettings};
use tokio::time::sleep;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<(), Box<dyn Error>> {
    let begun = SystemTime::now();
    let breaker = CircuitBreaker::new("orders", BreakerSettings::for_connects())?;
    breaker.on_state_change(move |change| {
        let at = begun.elapsed().unwrap_or_default().as_secs_f64();
        println!("{at:5.2} s  breaker: {} -> {}", change.from, change.to);
    });

    let server = FakeConnector::new();
    let pool = Pool::builder(Guarded::new(server.clone(), breaker.clone())).name("orders").build()?;
    pool.warm_up().await?;

    server.go_down();
    sleep(Duration::from_secs(2)).await;
    if let Err(error) = pool.acquire().await {
        println!("failed to {error}");
    }

    // One who can wait may try again, as long as not everybody does.
    let retry = Retry::new(RetrySettings::default(), RetryBudget::of_process())?;
    let once_more = retry.run(Duration::from_secs(1), AcquireError::is_retryable, || pool.acquire());
    if let Err(error) = once_more.await {
        println!("failed to {error}");
    }

    let asked_before = server.connects().calls();
    sleep(Duration::from_secs(3)).await;
    println!("{} probes in three seconds", server.connects().calls() - asked_before);

    server.come_back();
    sleep(Duration::from_secs(2)).await;
    let stats = pool.stats();
    println!("nobody has called, and {} of {} connections are open", stats.idle, stats.min);
    let (seen, asked) = (breaker.snapshot(), server.connects().calls());
    // It refuses none: the pool asks it when the next probe is due.
    println!("the breaker opened {} times, and the server was asked {asked} times in all", seen.opened);
    println!("{}", pool.close(Duration::from_secs(1)).await);
    Ok(())
}
