//! What this build can do.

use pool_config::Driver;

/// Whether this driver is compiled in: whether pools of it can be made.
pub fn is_compiled_in(driver: Driver) -> bool {
    match driver {
        Driver::Postgres => cfg!(feature = "postgres"),
        Driver::Mysql => cfg!(feature = "mysql"),
        Driver::Sqlite => cfg!(feature = "sqlite"),
        Driver::Redis => cfg!(feature = "redis"),
        Driver::Http => cfg!(feature = "http"),
        Driver::Websocket => cfg!(feature = "websocket"),
    }
}
