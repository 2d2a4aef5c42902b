//! What the shop does. Each handler asks the manager for its pool, so that it works with the one that is in force now.

use std::num::NonZeroU16;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use pool_core::Pooled;
use pool_drivers::redis::RedisConnector;
use pool_drivers::redis::redis::AsyncCommands as _;
use pool_drivers::sqlx;
use pool_manager::{AnyConnection, PoolManager};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// How old a number from the cache may be.
const FRESH_SECONDS: u64 = 10;

#[derive(Deserialize)]
pub(crate) struct Wish {
    item: String,
    pieces: NonZeroU16,
}

#[derive(Serialize)]
pub(crate) struct Order {
    id: i64,
    item: String,
    pieces: i32,
}

#[derive(Serialize)]
pub(crate) struct Item {
    name: String,
    pieces: i32,
    from: &'static str,
}

#[derive(Serialize)]
pub(crate) struct Sold {
    item: String,
    orders: i64,
    pieces: i64,
}

/// Takes the pieces off the stock and notes the order: both or neither. Run again by itself after a deadlock.
pub(crate) async fn place_order(
    State(manager): State<PoolManager>,
    Json(wish): Json<Wish>,
) -> Result<(StatusCode, Json<Order>), Failure> {
    let (item, pieces) = (&wish.item, i32::from(wish.pieces.get()));
    let pool = manager.postgres("orders")?;
    let id = pool
        .transaction(|mut order| async move {
            let take = "UPDATE item SET pieces = pieces - $2 WHERE name = $1 AND pieces >= $2";
            let taken = sqlx::query(take).bind(item).bind(pieces).execute(&mut *order).await?;
            if taken.rows_affected() == 0 {
                return Err(Failure::OutOfStock);
            }
            let note = "INSERT INTO orders (item, pieces) VALUES ($1, $2) RETURNING id";
            Ok(sqlx::query_scalar(note).bind(item).bind(pieces).fetch_one(&mut *order).await?)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(Order { id, item: wish.item, pieces })))
}

/// The last orders, newest first.
pub(crate) async fn orders(State(manager): State<PoolManager>) -> Result<Json<Vec<Order>>, Failure> {
    let last = "SELECT id, item, pieces FROM orders ORDER BY id DESC LIMIT 50";
    let rows: Vec<(i64, String, i32)> = sqlx::query_as(last).fetch_all(&manager.postgres("orders")?).await?;
    Ok(Json(rows.into_iter().map(|(id, item, pieces)| Order { id, item, pieces }).collect()))
}

/// What was sold, by item.
pub(crate) async fn report(State(manager): State<PoolManager>) -> Result<Json<Vec<Sold>>, Failure> {
    let sold = "SELECT item, count(*), sum(pieces) FROM orders GROUP BY item ORDER BY item";
    // Acquired here, and not by `&pool` within the query, so that a report that takes too long is put down to this line.
    let mut connection = manager.postgres("reports")?.acquire().await?;
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(sold).fetch_all(&mut *connection).await?;
    Ok(Json(rows.into_iter().map(|(item, orders, pieces)| Sold { item, orders, pieces }).collect()))
}

/// How many pieces are left: from the cache, or from the database where the cache does not know or is down.
pub(crate) async fn item(
    State(manager): State<PoolManager>,
    Path(name): Path<String>,
) -> Result<Json<Item>, Failure> {
    let key = format!("item:{name}");
    let connection = manager.acquire_or_else("cache", |outage| {
        tracing::debug!("failed to {outage}; asking the database"); // the pool has logged the outage, once
        manager.acquire("orders")
    });
    let mut database = match connection.await? {
        AnyConnection::Redis(cache) => match recall(cache, &key).await {
            Some(pieces) => return Ok(Json(Item { name, pieces, from: "cache" })),
            None => manager.acquire("orders").await?,
        },
        database => database,
    };
    let Some(database) = database.as_postgres() else {
        return Err(Failure::Broken("use pool `orders`: it is not one of PostgreSQL".into()));
    };
    let left = sqlx::query_scalar("SELECT pieces FROM item WHERE name = $1").bind(&name);
    let pieces = left.fetch_optional(database).await?.ok_or(Failure::NotFound)?;
    remember(&manager, &key, pieces).await;
    Ok(Json(Item { name, pieces, from: "database" }))
}

/// Takes the guard, so that nobody holds a connection of the cache while waiting for the database.
async fn recall(mut cache: Pooled<RedisConnector>, key: &str) -> Option<i32> {
    cache.get(key).await.unwrap_or_else(|error| {
        tracing::warn!("failed to read the cache: {error}");
        None
    })
}

/// Costs the request nothing where the cache is down or busy.
async fn remember(manager: &PoolManager, key: &str, pieces: i32) {
    let Ok(Ok(Some(mut cache))) = manager.redis("cache").map(|cache| cache.try_acquire()) else { return };
    if let Err(error) = cache.set_ex::<_, _, ()>(key, pieces, FRESH_SECONDS).await {
        tracing::warn!("failed to fill the cache: {error}");
    }
}
