//! Idle connections that can be had, and given back, without the lock: the *gated bitmap*.
//!
//! Each [`Chunk`] has one atomic word: a bit for each of its slots, set while a connection lies there free, and
//! the GATE bit. Taking clears the lowest set bit with one compare-and-swap, putting back sets a bit with one; both
//! are refused while GATE is set. The lock holder sets GATE in all words for as long as anyone waits or anything
//! else is out of the ordinary.
//!
//! Why no wake-up is lost: free bits and GATE share a word, so a connection that comes back either shows its bit to
//! whoever sets GATE, or finds GATE set and goes to the lock, where the waiter is. There is no second place
//! to look at, hence no order between two places to get wrong. A set bit says all there is to say, so the swap
//! has no ABA problem.
//!
//! Ownership: each slot has a cell, and the right to touch the cell's connection exists once. It is a [`Place`] while the
//! cell is empty, a [`Lease`] while a connection is in it and in somebody's hands, and the set bit while it lies there
//! free, and the pointer in a [hatch](Hatches) while it lies there for one waiter: [`Shelf::grow`] makes the place, [`Shelf::seat`] turns a place and a connection into a lease,
//! [`Lease::vacate`] turns it back, putting a lease on the shelf sets the bit, and whoever clears the bit has the lease.
//! All `unsafe` of the crate is in this file and rests on that. A connection is never moved between: a lease is a
//! pointer to its cell.
//!
//! A lease needs no count of references to keep its cell alive. The connection itself does: it carries a share in
//! what owns the shelf ([`Housed`]), and has it until it is vacated.
//!
//! Why not a Treiber stack: it must read a node that may be gone, and needs a tag against ABA. Why not a queue of
//! idle connections beside a semaphore: two facts that can disagree. Why not a state word for each connection with a
//! count of waiters beside it, as in HikariCP's bag: that is two locations again, and needs a spin on return.

#![expect(unsafe_code, reason = "cells are owned by whoever holds their place: see above")]

mod hatch;
mod layout;

use std::fmt;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::{Arc, OnceLock};
use std::task::Waker;

use crate::connection::ConnectionId;
use crate::engine::Engine;
use crate::histogram::SharedHistogram;
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Defect, UnsafeCell, planted};

/// Where a slot is in the table.
pub(crate) type SlotIndex = u32;

pub(crate) use hatch::Hatches;
pub(crate) use layout::{Layout, SlotSet};

/// Slots of one chunk. Few under the model checkers, so that they see several words.
const SLOTS_PER_CHUNK: usize = if cfg!(any(pool_loom, pool_shuttle)) { 2 } else { 63 };

/// Set while nothing may be taken or put without the lock.
const GATE: u64 = 1 << 63;

/// Doublings of the table beyond the stripes: room for two million slots.
const LEVELS: usize = 15;

/// The right to the cell of one slot, which is empty.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    index: SlotIndex,
}

impl Place {
    pub(crate) fn index(&self) -> SlotIndex {
        self.index
    }
}

/// Something that keeps the shelf alive on which it may lie, and always the same one.
pub(crate) trait Housed: Sized {
    fn engine(&self) -> &Engine<Self>;
}

/// The right to the cell of one slot, and to the connection in it.
pub(crate) struct Lease<T> {
    cell: NonNull<Cell<T>>,
}

// SAFETY: a lease is its connection and the right to a cell, as if it owned both; the rest of the cell is atomic.
unsafe impl<T: Send> Send for Lease<T> {}
// SAFETY: a shared lease gives out shared references to the connection, and to atomics.
unsafe impl<T: Sync> Sync for Lease<T> {}

impl<T> Lease<T> {
    #[inline]
    fn cell(&self) -> &Cell<T> {
        // SAFETY: the cell lives as long as its shelf, which the connection in it keeps alive, and that is there for as
        // long as the lease is.
        unsafe { self.cell.as_ref() }
    }

    #[inline]
    pub(crate) fn index(&self) -> SlotIndex {
        self.cell().index
    }

    /// The connection's id.
    #[inline]
    pub(crate) fn id(&self) -> ConnectionId {
        ConnectionId(self.cell().record.id.load(Relaxed))
    }

    #[inline]
    pub(crate) fn record(&self) -> &Record {
        &self.cell().record
    }

    #[inline]
    pub(crate) fn connection(&self) -> &T {
        // SAFETY: this is the only lease of the cell, and it is borrowed.
        let connection = self.cell().connection.with(|cell| unsafe { &*cell });
        connection.as_ref().expect("there is a connection in a leased cell")
    }

    #[inline]
    pub(crate) fn connection_mut(&mut self) -> &mut T {
        // SAFETY: this is the only lease of the cell, and it is borrowed mutably.
        let connection = self.cell().connection.with_mut(|cell| unsafe { &mut *cell });
        connection.as_mut().expect("there is a connection in a leased cell")
    }

    /// Takes the connection out of its cell.
    pub(crate) fn vacate(self) -> (Place, T) {
        let index = self.index();
        // SAFETY: this is the only lease of the cell. The cell is not touched after this: once the connection is
        // dropped, it may be gone.
        let connection = self.cell().connection.with_mut(|cell| unsafe { (*cell).take() });
        std::mem::forget(self);
        (Place { index }, connection.expect("there is a connection in a leased cell"))
    }

    /// Whether the gate is shut, as seen from this cell.
    #[inline]
    pub(crate) fn gate_is_shut(&self) -> bool {
        self.word().load(Relaxed) & GATE != 0 && !planted(Defect::NoGateCheck)
    }

    /// Puts the connection back on its shelf, if the gate is open.
    #[inline]
    pub(crate) fn put(self) -> Result<(), Self> {
        let (word, bit) = (self.word(), self.cell().bit);
        let mut seen = word.load(Relaxed);
        loop {
            if seen & GATE != 0 && !planted(Defect::NoGateCheck) {
                return Err(self);
            }
            let release = if planted(Defect::RelaxedPut) { Relaxed } else { Release };
            // Ordering: Release, for whoever takes it next. After this the shelf may be gone at any time: nothing of it is
            // touched any more. That references to it are still about is allowed, as it is all interior-mutable.
            match word.compare_exchange_weak(seen, seen | bit, release, Relaxed) {
                Ok(_) => {
                    std::mem::forget(self);
                    return Ok(());
                }
                Err(now) => seen = now,
            }
        }
    }

    #[inline]
    fn word(&self) -> &AtomicU64 {
        // SAFETY: a cell's word is in the same shelf, which never moves.
        unsafe { self.cell().word.as_ref() }
    }
}

impl<T: Housed> Lease<T> {
    /// Passes the connection to the next in line, if its pool is saturated. Returns whom to wake.
    ///
    /// This is here because a count of references to the pool, as it would be needed elsewhere, is one more thing that
    /// all processors write to: with two of them it cost 10 to 50 ns of 230 (2026-11-21).
    pub(crate) fn pass_on(self, counted: bool) -> Result<Option<Waker>, Self> {
        let engine = NonNull::from(self.connection().engine());
        // SAFETY: the connection keeps the engine alive until its share in it is dropped. Only the next one to have the lease
        // can do that. He may have it before `pass_on` has let go of the lock, out of his hatch; but whoever ends a
        // connection of the pool has its slot retired under the lock before he drops that share (`Pooled::detach`, the
        // keeper's jobs, the effects), so not before `pass_on` has let go, after which it touches nothing of the engine.
        unsafe { engine.as_ref() }.pass_on(self, counted)
    }
}

/// Only a panic in the wrong place drops a lease. The slot is not used again then.
impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        // SAFETY: as in `vacate`.
        let connection = self.cell().connection.with_mut(|cell| unsafe { (*cell).take() });
        drop(connection);
    }
}

impl<T> fmt::Debug for Lease<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("index", &self.index()).field("id", &self.id()).finish_non_exhaustive()
    }
}

/// Keeps its content on cache lines of its own. 128 bytes, as CPUs fetch lines in pairs.
#[repr(align(128))]
struct Apart<T>(T);

/// The free connections of a chunk, and which of them were not free for a while.
struct Word {
    /// A bit for each that is free, and GATE.
    free: AtomicU64,
    /// A bit for each that was not free at some time since the gate was last opened. Who takes one sets it, unless it is set,
    /// before he gives it back; so of all that are free when the gate is shut, those with a bit here were taken meanwhile.
    /// It is on the same cache line, and written once for each connection.
    missed: AtomicU64,
}

/// One word and its slots. A slot's cell is made when the slot is first used, so a small pool stays small.
struct Chunk<T> {
    word: Apart<Word>,
    cells: [OnceLock<Box<Cell<T>>>; SLOTS_PER_CHUNK],
}

impl<T> Chunk<T> {
    /// A chunk begins shut.
    fn new() -> Self {
        let word = Word { free: AtomicU64::new(GATE), missed: AtomicU64::new(u64::MAX) };
        Chunk { word: Apart(word), cells: std::array::from_fn(|_| OnceLock::new()) }
    }

    #[inline]
    fn cell(&self, bit: usize) -> &Cell<T> {
        self.cells[bit].get().expect("a place is made together with its cell")
    }

    /// The lease of a cell whose bit the caller has just cleared.
    #[inline]
    fn pick_up(&self, bit: usize) -> Lease<T> {
        Lease { cell: NonNull::from(self.cell(bit)) }
    }

    /// Notes that a connection was taken, for the first time since the gate was opened.
    #[cold]
    fn miss(missed: &AtomicU64, bit: u64) {
        // Ordering: Relaxed. Whoever shuts the gate and finds the connection there sees all that came before it was put.
        missed.fetch_or(bit, Relaxed);
    }

    #[inline]
    fn take(&self) -> Option<Lease<T>> {
        let Word { free: word, missed } = &self.word.0;
        let mut seen = word.load(Relaxed);
        loop {
            if seen == 0 || seen & GATE != 0 {
                return None;
            }
            let acquire = if planted(Defect::RelaxedTake) { Relaxed } else { Acquire };
            // Ordering: Acquire, to see what was done with the connection before it was put there.
            match word.compare_exchange_weak(seen, seen & (seen - 1), acquire, Relaxed) {
                Ok(_) => {
                    let bit = seen & seen.wrapping_neg();
                    if missed.load(Relaxed) & bit == 0 {
                        Self::miss(missed, bit);
                    }
                    return Some(self.pick_up(seen.trailing_zeros() as usize));
                }
                Err(now) => seen = now,
            }
        }
    }
}

#[repr(C, align(128))]
struct Cell<T> {
    record: Record,
    connection: UnsafeCell<Option<T>>,
    /// Its chunk's word, and its bit there.
    word: NonNull<AtomicU64>,
    bit: u64,
    index: SlotIndex,
}

// SAFETY: `connection` is touched only by the one who has the right to the cell, so by one thread at a time, and each
// hand-over of that right (a bit of the word, or the lock) orders these accesses. `T: Send`, as connections move
// between threads that way. `word` points into the shelf that owns the cell. The rest is atomic or constant.
unsafe impl<T: Send> Sync for Cell<T> {}
// SAFETY: as for `Sync`; the cell owns its connection.
unsafe impl<T: Send> Send for Cell<T> {}

/// What is known of a slot's connection and its use. Written by whoever owns the place, or by the lock holder; anybody
/// may read it, and may see a hand-over half done. Times are ticks of the pool's [`Clock`](crate::clock::Clock).
///
/// What every hand-over touches comes first, so that it is on one cache line of 64 bytes.
#[repr(C)]
pub(crate) struct Record {
    /// From when on it must go through the lock: when it is to be replaced, or [`Record::MARKED`].
    pub(crate) due_at: AtomicU64,
    /// When it was last handed out.
    pub(crate) held_since: AtomicU64,
    /// When it last came back.
    pub(crate) released_at: AtomicU64,
    /// Who holds or held it: [`Owner`](crate::connection::Owner) as a number.
    pub(crate) owner: AtomicU64,
    site: AtomicPtr<Location<'static>>,
    /// How often this slot's connections were handed out.
    pub(crate) acquired: AtomicU64,
    /// How often they came back.
    pub(crate) released: AtomicU64,
    /// Their time in holders' hands.
    pub(crate) used: AtomicU64,
    /// Their idle time, in spells that ended.
    pub(crate) idled: AtomicU64,
    /// When it last proved to work, if that was not by coming back: opened, validated, or reset.
    pub(crate) good_at: AtomicU64,
    /// Since when it is idle, if that is not when it came back.
    pub(crate) idle_since: AtomicU64,
    /// The connection's id.
    pub(crate) id: AtomicU64,
}

impl Record {
    /// As `due_at`: something is not as usual.
    pub(crate) const MARKED: u64 = 0;
    /// As `due_at`: it has no date.
    pub(crate) const NEVER: u64 = u64::MAX;

    fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Record {
            id: zero(),
            due_at: AtomicU64::new(Record::NEVER),
            good_at: zero(),
            idle_since: zero(),
            held_since: zero(),
            released_at: zero(),
            owner: zero(),
            site: AtomicPtr::new(std::ptr::from_ref(Location::caller()).cast_mut()),
            acquired: zero(),
            released: zero(),
            used: zero(),
            idled: zero(),
        }
    }

    /// The line that acquired it last.
    pub(crate) fn site(&self) -> &'static Location<'static> {
        // SAFETY: `new` and `set_site` store nothing but pointers made of `&'static Location<'static>`.
        unsafe { &*self.site.load(Relaxed) }
    }

    #[inline]
    pub(crate) fn set_site(&self, site: &'static Location<'static>) {
        let site = std::ptr::from_ref(site).cast_mut();
        if self.site.load(Relaxed) != site {
            self.site.store(site, Relaxed);
        }
    }

    /// Whether it must go through the lock, by its date or because it is marked.
    #[inline]
    pub(crate) fn is_due(&self, now: u64) -> bool {
        // Ordering: Relaxed. Who marks a record does so before opening the gate, and whoever takes the connection
        // after that has acquired the word. Who gives one back may miss a mark made in that moment; the one who
        // takes it next will not.
        self.due_at.load(Relaxed) <= now
    }
}

/// Stores a value that is most often there already: the swap that follows waits for all stores, but for no load.
#[inline]
pub(crate) fn set(variable: &AtomicU64, value: u64) {
    if variable.load(Relaxed) != value {
        variable.store(value, Relaxed);
    }
}

/// Adds to a counter that has one writer at a time, for which no read-modify-write is needed.
#[inline]
pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(amount), Relaxed);
}

/// See the module's first lines.
pub(crate) struct Shelf<T> {
    layout: Layout,
    stripes: Box<[Chunk<T>]>,
    /// What comes after the stripes: level n holds 2^n chunks. Never shrinks, as a guard may be out for any of them.
    more: [OnceLock<Box<[Chunk<T>]>>; LEVELS],
    /// How many chunks there are; read by everyone, written when the pool grows.
    chunks: AtomicUsize,
    slots: AtomicU32,
    /// The chunk after the stripes to look at first. Only a hint: who finds nothing without the lock, looks everywhere
    /// under it.
    hint: AtomicU32,
    /// Where granted connections lie.
    hatches: Arc<Hatches<T>>,
    /// How long connections were held, but for those that were held for less than the clock can tell.
    pub(crate) uses: SharedHistogram,
}

impl<T> Shelf<T> {
    /// An empty shelf, shut. It never moves, as its cells point into it.
    pub(crate) fn new(layout: Layout) -> Arc<Self> {
        Arc::new(Shelf {
            layout,
            stripes: chunks(layout.stripes()),
            more: std::array::from_fn(|_| OnceLock::new()),
            chunks: AtomicUsize::new(layout.stripes()),
            slots: AtomicU32::new(0),
            hint: AtomicU32::new(0),
            hatches: Arc::new(Hatches::new()),
            uses: SharedHistogram::new(),
        })
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    pub(crate) fn hatches(&self) -> &Arc<Hatches<T>> {
        &self.hatches
    }

    /// Makes one more slot.
    pub(crate) fn grow(self: &Arc<Self>) -> Place {
        // Ordering: Relaxed. Only the number must be unique; the place itself is passed on by the lock.
        let index = self.slots.fetch_add(1, Relaxed);
        let (at, bit) = self.layout.split(index);
        if at >= self.stripes.len() {
            let level = self.level(at);
            self.more[level].get_or_init(|| chunks(1 << level));
        }
        // Ordering: Release, so that who reads the number finds the chunk.
        self.chunks.fetch_max(at + 1, Release);
        let chunk = self.chunk(at);
        chunk.cells[bit].get_or_init(|| {
            Box::new(Cell {
                connection: UnsafeCell::new(None),
                record: Record::new(),
                word: NonNull::from(&chunk.word.0.free),
                bit: 1 << bit,
                index,
            })
        });
        Place { index }
    }

    /// Puts a connection into the cell of a place.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the lease takes the place's place: the caller has it no more"
    )]
    pub(crate) fn seat(&self, place: Place, connection: T) -> Lease<T>
    where
        T: Housed,
    {
        assert!(
            std::ptr::eq(connection.engine().shelf(), self),
            "a connection lies on the shelf of its own pool"
        );
        let Place { index } = place;
        let (at, bit) = self.layout.split(index);
        let cell = self.chunk(at).cell(bit);
        // SAFETY: the caller had the place, so nobody else touches the cell.
        cell.connection.with_mut(|inside| unsafe { *inside = Some(connection) });
        Lease { cell: NonNull::from(cell) }
    }

    /// Whether the gate seems to be shut, as seen from where this thread begins.
    #[inline]
    pub(crate) fn seems_shut(&self) -> bool {
        self.stripes[self.layout.home()].word.0.free.load(Relaxed) & GATE != 0
    }

    /// Takes a free connection, if the gate is open: the lowest of the thread's stripe, or of the next chunk that has one.
    #[inline]
    pub(crate) fn take(&self) -> Option<Lease<T>> {
        let home = self.layout.home();
        match self.stripes[home].take() {
            Some(taken) => Some(taken),
            None => self.search(home),
        }
    }

    #[inline(never)]
    fn search(&self, home: usize) -> Option<Lease<T>> {
        let (stripes, chunks) = (self.stripes.len(), self.chunks.load(Acquire));
        let others = (home + 1..stripes).chain(0..home);
        if let Some(taken) = others.into_iter().find_map(|at| self.stripes[at].take()) {
            return Some(taken);
        }
        let hint = (self.hint.load(Relaxed) as usize).max(stripes);
        for at in (hint..chunks).chain(stripes..hint.min(chunks)) {
            if let Some(taken) = self.chunk(at).take() {
                if at != hint {
                    self.hint.store(at as u32, Relaxed);
                }
                return Some(taken);
            }
        }
        None
    }

    /// What is known of a slot.
    #[inline]
    pub(crate) fn record(&self, index: SlotIndex) -> &Record {
        let (at, bit) = self.layout.split(index);
        &self.chunk(at).cell(bit).record
    }

    /// How many chunks there are.
    pub(crate) fn chunks(&self) -> usize {
        self.chunks.load(Acquire)
    }

    /// The free slots of a chunk, as bits.
    pub(crate) fn free(&self, chunk: usize) -> u64 {
        // Ordering: Acquire, as what is seen of a free connection must be what its last holder left.
        self.chunk(chunk).word.0.free.load(Acquire) & !GATE
    }

    /// Shuts the gate. From here on only the lock holder takes and puts. Returns how many of the connections that are
    /// free were not at some time since the gate was opened.
    pub(crate) fn shut(&self) -> usize {
        let words = if planted(Defect::HalfShut) { 1 } else { self.chunks() };
        let mut returned = 0;
        for at in 0..words {
            let Word { free, missed } = &self.chunk(at).word.0;
            let free = free.fetch_or(GATE, AcqRel) & !GATE;
            returned += (free & missed.load(Relaxed)).count_ones() as usize;
        }
        returned
    }

    /// Opens the gate.
    pub(crate) fn open(&self) {
        // Now and then the search begins at the first chunk again, so that few connections stay busy.
        self.hint.store(0, Relaxed);
        for at in 0..self.chunks() {
            let Word { free, missed } = &self.chunk(at).word.0;
            // Before it is open, so that whoever comes through it finds this. Who took a connection before the gate was shut
            // and has not said so yet, has it still: its bit is among these.
            missed.store(!free.load(Relaxed), Relaxed);
            free.fetch_and(!GATE, AcqRel);
        }
    }

    /// Takes one connection, whether the gate is open or not, if it is there.
    pub(crate) fn withdraw(&self, index: SlotIndex) -> Option<Lease<T>> {
        let (at, bit) = self.layout.split(index);
        let chunk = self.chunk(at);
        let before = chunk.word.0.free.fetch_and(!(1 << bit), AcqRel);
        (before & 1 << bit != 0).then(|| chunk.pick_up(bit))
    }

    /// Puts a connection down, whether the gate is open or not.
    pub(crate) fn deposit(&self, lease: Lease<T>) {
        lease.word().fetch_or(lease.cell().bit, AcqRel);
        std::mem::forget(lease);
    }

    /// In how many words the gate is shut.
    #[cfg(test)]
    pub(crate) fn shut_words(&self) -> usize {
        (0..self.chunks()).filter(|at| self.chunk(*at).word.0.free.load(Acquire) & GATE != 0).count()
    }

    #[inline]
    fn chunk(&self, at: usize) -> &Chunk<T> {
        if let Some(stripe) = self.stripes.get(at) {
            return stripe;
        }
        let level = self.level(at);
        let chunks = self.more[level].get().expect("chunks are counted after they are made");
        &chunks[at - self.stripes.len() + 1 - (1 << level)]
    }

    /// The level of a chunk that is no stripe.
    fn level(&self, at: usize) -> usize {
        (at - self.stripes.len() + 1).ilog2() as usize
    }
}

fn chunks<T>(number: usize) -> Box<[Chunk<T>]> {
    (0..number).map(|_| Chunk::new()).collect()
}

impl<T> fmt::Debug for Shelf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = (0..self.chunks()).map(|at| format!("{:x}", self.chunk(at).word.0.free.load(Relaxed)));
        f.debug_list().entries(words).finish()
    }
}
