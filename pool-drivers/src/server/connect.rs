//! How connections to one server are opened, checked, cleaned and closed.

use pool_core::{Condition, Connector, ErrorClass, Target};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor, SqlSafeStr as _};

use super::connector::ServerConnector;
use super::dialect::{Keep, OptionsOf, Role, Server};
use super::error::ServerError;
use super::problem::ConnectProblem;
use crate::dns::Address;
use crate::sql::SqlConnection;

impl<D: Server> ServerConnector<D> {
    /// Connects to the first place that is fit.
    async fn connect_to_first(&self) -> Result<SqlConnection<D>, ServerError> {
        let mut first = None;
        for place in self.places() {
            match self.connect_to(place).await {
                Ok(connection) => return Ok(connection),
                Err(error) => {
                    // The last one would be as good; but a login refused tells more than a host that is down.
                    let tells_more = matches!(self.classify(&error), ErrorClass::Auth | ErrorClass::Capacity);
                    if first.is_none() || tells_more {
                        first = Some(error);
                    }
                }
            }
        }
        Err(first.expect("there is at least one place"))
    }

    async fn connect_to(&self, mut options: OptionsOf<D>) -> Result<SqlConnection<D>, ServerError> {
        if let Some(provider) = &self.credentials {
            let credentials = provider.credentials().await.map_err(|source| {
                let target = D::target_of(&options).to_string();
                ServerError::Credentials { target, source }
            })?;
            options = D::log_in_as(options, &credentials);
        }
        let target = D::target_of(&options).to_string();
        let refused = |problem, source| ServerError::Connect { target: target.clone(), problem, source };
        let options =
            self.complete(options).map_err(|problem| refused(ConnectProblem::Options(problem), None))?;
        let address = match D::host_of(&options) {
            Some((host, port)) if self.names.are_watched() => {
                let found = self.names.look_up(host, port).await;
                let unknown = |error| refused(ConnectProblem::NameNotFound, Some(sqlx::Error::Io(error)));
                found.map_err(unknown)?.1
            }
            _ => Address::default(),
        };
        let mut raw = options.connect().await.map_err(|error| refused(D::problem_of(&error), Some(error)))?;
        let settled = async {
            D::settle(&mut raw, self).await?;
            check_role::<D>(self.role, &mut raw).await
        };
        match settled.await {
            Ok(None) => {}
            Ok(Some(found)) => {
                // The error to tell of is the role.
                drop(raw.close().await);
                return Err(ServerError::Role { target, found });
            }
            Err(error) => return Err(refused(ConnectProblem::Other, Some(error))),
        }
        let mut connection = SqlConnection::new(raw, self.keep(address));
        if let Some(statements) = &self.init_sql {
            let statements = AssertSqlSafe(statements.to_string()).into_sql_str();
            let done = Executor::execute(&mut connection, statements).await;
            done.map_err(|error| refused(ConnectProblem::InitSql, Some(error)))?;
            connection.traces.keep_read_only();
            connection.traces.wipe();
        }
        Ok(connection)
    }

    fn complete(&self, options: OptionsOf<D>) -> Result<OptionsOf<D>, &'static str> {
        let options = D::complete(options, self)?;
        let Some(tls) = &self.tls else { return Ok(options) };
        if tls.server_name_override().is_some() {
            return Err("the server's name cannot be set; connect to the host that its certificate names");
        }
        Ok(D::encrypt(options, tls))
    }

    /// The target that connections are opened to now.
    fn shown(&self) -> String {
        self.successor.ask(self, |latest| D::target_of(&latest.options).to_string())
    }

    fn keep(&self, address: Address) -> Keep<D::Extras> {
        Keep { role: self.role, extras: self.extras.clone(), address, init_sql: self.init_sql.clone() }
    }
}

/// Asks the server for its role, if it matters. Returns what it is if that is wrong.
async fn check_role<D: Server>(
    role: Role,
    raw: &mut D::Connection,
) -> Result<Option<&'static str>, sqlx::Error> {
    Ok(match role {
        Role::Any => None,
        Role::Primary => D::is_read_only(raw).await?.then_some("read-only"),
        Role::Replica => (!D::is_read_only(raw).await?).then_some("not read-only"),
    })
}

impl<D: Server> Connector for ServerConnector<D> {
    type Connection = SqlConnection<D>;
    type Error = ServerError;

    // Cancel: sqlx closes the socket when its future is dropped.
    async fn connect(&self) -> Result<SqlConnection<D>, ServerError> {
        match self.successor.get() {
            Some(next) => next.connect_to_first().await,
            None => self.connect_to_first().await,
        }
    }

    /// One round trip that reaches the server: of the protocol alone, or the question for its role if that matters.
    async fn validate(&self, connection: &mut SqlConnection<D>) -> Result<(), ServerError> {
        connection.keep.address.check().await?;
        let Keep { role, extras, .. } = &connection.keep;
        if *role == Role::Any {
            D::ping(&mut connection.raw, extras).await?;
        } else if let Some(found) = check_role::<D>(*role, &mut connection.raw).await? {
            return Err(ServerError::Role { target: self.shown(), found });
        }
        Ok(())
    }

    async fn reset(&self, connection: &mut SqlConnection<D>) -> Result<(), ServerError> {
        connection.keep.address.check().await?;
        D::reset(connection).await
    }

    fn condition(&self, connection: &mut SqlConnection<D>) -> Condition {
        let condition = connection.condition();
        connection.keep.address.condition(condition)
    }

    async fn close(&self, connection: SqlConnection<D>) {
        if let Err(error) = connection.raw.close().await {
            tracing::debug!(target = self.shown(), %error, "the server did not hear the goodbye");
        }
    }

    fn classify(&self, error: &ServerError) -> ErrorClass {
        match error {
            // Which code that has may mean less on a connection.
            ServerError::Connect { problem: ConnectProblem::LoginRefused, .. } => ErrorClass::Auth,
            ServerError::Connect { problem: ConnectProblem::Tls(Some(problem)), .. } => problem.class(),
            ServerError::Credentials { source, .. } => source.class(),
            ServerError::Role { .. } | ServerError::Moved(_) => ErrorClass::FatalAll,
            error => match error.sqlx() {
                Some(error) => {
                    let keep = self.successor.ask(self, |latest| latest.keep(Address::default()));
                    D::classify(error, &keep, false)
                }
                None => ErrorClass::FatalThis,
            },
        }
    }

    fn target(&self) -> Option<Target> {
        Some(self.successor.ask(self, |latest| D::target_of(&latest.options)))
    }
}
