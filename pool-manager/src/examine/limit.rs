//! Whether all pools of one server together fit into it.
//!
//! What counts is the sum of `max_connections`: pools grow when there is much to do, all of them at the same time. And this
//! is one process; whoever runs several of them sets `server_max_connections` to what each may have.

use std::collections::BTreeMap;

use pool_config::{Driver, PoolConfig};
use pool_drivers::facts::Room;

use super::Examined;
use super::report::{Check, Finding};

/// From this share of the limit on it is a warning: somebody has to be able to look into a server that is full.
const TIGHT: f64 = 0.8;

/// Which server, or which account of it: driver, host, port and user.
type Place = (&'static str, String, Option<u16>, String);

/// Adds a finding to each pool whose server tells its limit, or whose configuration does.
pub(super) fn judge(all: &mut [Examined]) {
    let mut servers: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
    for (index, examined) in all.iter().enumerate() {
        if let Some(place) = place_of(examined) {
            servers.entry(place).or_default().push(index);
        }
    }
    for pools in servers.values() {
        let rooms: Vec<_> = pools.iter().filter_map(|index| all[*index].facts.as_ref()).map(|facts| facts.room).collect();
        let of_server = Demand::of(pools.iter().map(|index| &all[*index].pool));
        for index in pools {
            let of_user = Demand::of(pools.iter().filter(|other| user(&all[**other]) == user(&all[*index])).map(|other| &all[*other].pool));
            let room_of_user = all[*index].facts.as_ref().and_then(|facts| facts.room.limit_of_user);
            let limit = Limit::of_server(&all[*index].pool, &rooms);
            let findings = [limit.map(|limit| of_server.judge(&limit)), room_of_user.map(|limit| of_user.judge(&Limit::of_user(limit)))];
            // One finding for each check: the worse one.
            let worse = findings.into_iter().flatten().max_by_key(|finding| finding.status);
            all[*index].findings.extend(worse);
        }
    }
}

fn place_of(examined: &Examined) -> Option<Place> {
    let target = examined.target.as_ref()?;
    if !matches!(examined.pool.driver, Driver::Postgres | Driver::Mysql | Driver::Redis) {
        return None;
    }
    Some((examined.pool.driver.as_str(), target.host.to_ascii_lowercase(), target.port, String::new()))
}

fn user(examined: &Examined) -> Option<&str> {
    examined.target.as_ref().map(|target| target.user.as_str())
}

/// How many connections pools may open together.
struct Demand {
    total: u64,
    /// `orders 20 + stock 5`, if there are several.
    sum: Option<String>,
}

impl Demand {
    fn of<'a>(pools: impl Iterator<Item = &'a PoolConfig>) -> Self {
        let (mut total, mut parts) = (0, Vec::new());
        for pool in pools {
            total += pool.settings.max_connections as u64;
            parts.push(format!("{} {}", pool.name, pool.settings.max_connections));
        }
        Demand { total, sum: (parts.len() > 1).then(|| parts.join(" + ")) }
    }

    fn judge(&self, limit: &Limit) -> Finding {
        let Demand { total, sum } = self;
        let sum = sum.as_ref().map_or_else(String::new, |sum| format!(" ({sum})"));
        let in_use = limit.in_use.map_or_else(String::new, |count| format!("; {count} in use now"));
        let text = format!("up to {total} connections{sum} of the {} that {}{in_use}", limit.count, limit.whose);
        let cure = "lower `max_connections` of these pools, raise the limit, or put a pooler before the server";
        match () {
            () if *total > limit.count => Finding::failed(Check::Limit, text, cure),
            () if *total as f64 > limit.count as f64 * TIGHT => Finding::warning(Check::Limit, text, cure),
            () => Finding::ok(Check::Limit, text),
        }
    }
}

/// How many connections there may be, and who says so.
struct Limit {
    count: u64,
    whose: &'static str,
    in_use: Option<u64>,
}

impl Limit {
    /// What the configuration says goes first: it may be a share of the server.
    fn of_server(pool: &PoolConfig, rooms: &[Room]) -> Option<Self> {
        let told = rooms.iter().find_map(|room| Some((room.limit?, room.in_use)));
        let configured = u64::from(pool.settings.session.server_max_connections);
        match told {
            Some((count, in_use)) if configured == 0 || configured > count => {
                Some(Limit { count, whose: "the server takes", in_use })
            }
            _ if configured > 0 => {
                Some(Limit { count: configured, whose: "`server_max_connections` allows", in_use: None })
            }
            _ => None,
        }
    }

    fn of_user(count: u64) -> Self {
        Limit { count, whose: "the server allows this user", in_use: None }
    }
}
