//! What a holder leaves behind, on purpose or by being dropped.

use super::backend::{Backend, Mess};
use super::{ask, pool_of, settles};
use crate::given_up::give_up_after;

pub(super) async fn what_a_holder_leaves_is_gone_for_the_next<B: Backend>() {
    let backend = B::start().await;
    let pool = pool_of(&backend, 1).build().unwrap();
    for mess in Mess::ALL {
        for round in 0..5 {
            let mut connection = pool.acquire().await.unwrap();
            B::leave(&mut connection, mess).await;
            drop(connection);
            let mut next = pool.acquire().await.unwrap();
            assert!(B::is_clean(&mut next).await, "{mess:?} in round {round}");
            ask::<B>(&mut next, &format!("after {mess:?} in round {round}")).await;
        }
    }
    settles(&backend, &pool).await;
}

pub(super) async fn a_question_given_up_at_any_point_leaves_no_answer_to_the_next<B: Backend>() {
    let backend = B::start().await;
    let pool = pool_of(&backend, 1).build().unwrap();
    for round in 0..200 {
        let mut connection = pool.acquire().await.unwrap();
        let foreign = format!("foreign {round}");
        give_up_after(fastrand::usize(..10), B::ask(&mut connection, &foreign)).await;
        drop(connection);
        ask::<B>(&mut *pool.acquire().await.unwrap(), &format!("mine {round}")).await;
    }
    settles(&backend, &pool).await;
}
