//! The load tester from outside: as a library with planted defects, and as a program.

mod binary;
mod defects;
mod runs;
mod schema;
mod subjects;
