//! Starts a PostgreSQL, tells what it is made of, freezes it and waits to be killed: for the test that the janitor
//! cleans up behind a test process that could not.

use std::io::Write as _;

use pool_tests::postgres::Postgres;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Postgres::new().launch().await?;
    server.freeze().await?;
    let processes: Vec<_> = server.processes().iter().map(i32::to_string).collect();
    let mut output = std::io::stdout();
    writeln!(output, "{}\n{}", server.folder().display(), processes.join(" "))?;
    output.flush()?;
    std::future::pending().await
}
