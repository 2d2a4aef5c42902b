//! What differs between database servers when they are connected to.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use pool_core::Target;
use sqlx::Connection;

use super::connector::ServerConnector;
use super::error::ServerError;
use super::problem::ConnectProblem;
use super::refusal::Refusal;
use crate::credentials::Credentials;
use crate::dns::Address;
use crate::sql::{Dialect, Habits, SqlConnection};
use crate::tls::Tls;

/// Which role a server must have for its connections to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Role {
    /// Whichever it has.
    #[default]
    Any,
    /// It accepts writes. Asked at each connect and each validation.
    Primary,
    /// It is a standby, or read-only otherwise. Asked at each connect and each validation.
    Replica,
}

/// What is kept beside the connection of sqlx.
#[doc(hidden)]
#[derive(Default)]
#[cfg_attr(
    not(feature = "postgres"),
    expect(dead_code, reason = "MySQL closes what PostgreSQL resets by it")
)]
pub struct Keep<X> {
    pub(crate) role: Role,
    pub(crate) extras: X,
    pub(crate) address: Address,
    /// What is run in a new session, and in one that was reset.
    pub(crate) init_sql: Option<Arc<str>>,
}

/// The options of sqlx for a database.
#[doc(hidden)]
pub type OptionsOf<D> = <<D as sqlx::Database>::Connection as Connection>::Options;

/// A database server of sqlx that this crate has a driver for. Not to be named outside this crate.
#[doc(hidden)]
pub trait Server:
    Dialect<Connector = ServerConnector<Self>> + Habits<Keep = Keep<<Self as Server>::Extras>>
{
    /// The settings that no other server has.
    type Extras: Clone + Default + fmt::Debug + Send + Sync + 'static;

    /// What its URLs begin with.
    const SCHEMES: &'static [&'static str];

    /// The options for a place and a database, of which nothing else is known.
    fn options_of(host: &str, port: u16, database: &str) -> OptionsOf<Self>;

    /// The same options for another place.
    fn at(options: OptionsOf<Self>, host: &str, port: u16) -> OptionsOf<Self>;

    /// The same options for another login.
    fn log_in_as(options: OptionsOf<Self>, credentials: &Credentials) -> OptionsOf<Self>;

    /// The same options, encrypted.
    fn encrypt(options: OptionsOf<Self>, tls: &Tls) -> OptionsOf<Self>;

    /// Adds what the other settings ask for, or tells why that cannot be had.
    fn complete(
        options: OptionsOf<Self>,
        connector: &ServerConnector<Self>,
    ) -> Result<OptionsOf<Self>, &'static str>;

    /// Host and port, unless it is a socket.
    fn host_of(options: &OptionsOf<Self>) -> Option<(&str, u16)>;

    /// The key of a target, which never holds a password.
    fn target_of(options: &OptionsOf<Self>) -> Target;

    /// Why a connect failed.
    fn problem_of(error: &sqlx::Error) -> ConnectProblem;

    /// What a login was refused for.
    fn refusal_of(error: &sqlx::Error) -> Refusal;

    /// Does to a new connection what its options cannot.
    fn settle(
        raw: &mut Self::Connection,
        connector: &ServerConnector<Self>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Asks whether the server refuses writes.
    fn is_read_only(raw: &mut Self::Connection) -> impl Future<Output = Result<bool, sqlx::Error>> + Send;

    /// One round trip that reaches the server.
    fn ping(
        raw: &mut Self::Connection,
        extras: &Self::Extras,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Makes a connection as good as new, or fails.
    fn reset(connection: &mut SqlConnection<Self>) -> impl Future<Output = Result<(), ServerError>> + Send;
}
