//! How a result reaches people and programs.

pub(crate) mod json;
mod meaning;
pub(crate) mod progress;
pub(crate) mod text;
