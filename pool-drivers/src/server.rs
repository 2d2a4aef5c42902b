//! What the drivers of database servers share: how a server is reached, and what a pool makes of its answers.
//!
//! Users meet these types under the names of their database, such as `PgConnector`.

mod connect;
mod connector;
mod dialect;
mod error;
mod pool;
mod problem;
mod refusal;

pub use connector::ServerConnector;
pub use dialect::Role;
#[doc(hidden)]
pub use dialect::{Keep, OptionsOf, Server};
pub use error::ServerError;
pub use problem::ConnectProblem;
pub use refusal::Refusal;
