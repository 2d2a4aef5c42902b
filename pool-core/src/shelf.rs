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
//! Ownership: a [`Place`] is the right to touch one cell's connection. It exists once: [`Shelf::grow`] makes it, putting
//! a connection on the shelf uses it up (the bit stands for it), and whoever clears the bit makes it anew. All `unsafe`
//! of the crate is in this file and rests on that.
//!
//! Why not a Treiber stack: it must read a node that may be gone, and needs a tag against ABA. Why not a queue of
//! idle connections beside a semaphore: two facts that can disagree. Why not a state word for each connection with a
//! count of waiters beside it, as in HikariCP's bag: that is two locations again, and needs a spin on return.

#![expect(unsafe_code, reason = "cells are owned by whoever holds their place: see above")]

use std::fmt;
use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::engine::Engine;
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, UnsafeCell};

/// Where a slot is in the table.
pub(crate) type SlotIndex = u32;

/// Slots of one chunk. Few under loom, so that its models span several words.
pub(crate) const SLOTS_PER_CHUNK: usize = if cfg!(pool_loom) { 2 } else { 63 };

/// Set while nothing may be taken or put without the lock.
const GATE: u64 = 1 << 63;

/// Doublings of the table beyond the first chunk: room for two million slots.
const LEVELS: usize = 15;

/// The right to touch one slot's connection. There is one for each slot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    index: SlotIndex,
}

impl Place {
    pub(crate) fn index(&self) -> SlotIndex {
        self.index
    }
}

/// Something that keeps the shelf alive on which it may lie.
pub(crate) trait Housed: Sized {
    fn engine(&self) -> &Engine<Self>;
}

/// Keeps its content on cache lines of its own. 128 bytes, as CPUs fetch lines in pairs.
#[repr(align(128))]
struct Apart<T>(T);

/// One word and its slots. A slot's cell is made when the slot is first used, so a small pool stays small.
struct Chunk<T> {
    word: Apart<AtomicU64>,
    cells: [OnceLock<Box<Cell<T>>>; SLOTS_PER_CHUNK],
}

impl<T> Chunk<T> {
    /// A chunk begins shut.
    fn new() -> Self {
        Chunk { word: Apart(AtomicU64::new(GATE)), cells: std::array::from_fn(|_| OnceLock::new()) }
    }

    #[inline]
    fn cell(&self, bit: usize) -> &Cell<T> {
        self.cells[bit].get().expect("a place is made together with its cell")
    }

    /// Takes the connection whose bit the caller has just cleared, and with it the place.
    #[inline]
    fn pick_up(&self, at: usize, bit: usize) -> (Place, T) {
        // SAFETY: by clearing the bit the caller came to own the place; nobody else touches the cell until it is put
        // back. The clearing of the bit acquires what its setting released.
        let connection = self.cell(bit).connection.with_mut(|cell| unsafe { (*cell).take() });
        let index = at * SLOTS_PER_CHUNK + bit;
        (Place { index: index as SlotIndex }, connection.expect("a set bit stands for a connection"))
    }

    /// Lays a connection into the cell of a place.
    #[inline]
    fn lay_down(&self, place: &Place, connection: T) {
        let bit = place.index as usize % SLOTS_PER_CHUNK;
        // SAFETY: the caller has the place, so nobody else touches the cell.
        self.cell(bit).connection.with_mut(|cell| unsafe { *cell = Some(connection) });
    }

    #[inline]
    fn take(&self, at: usize) -> Option<(Place, T)> {
        let word = &self.word.0;
        let mut seen = word.load(Relaxed);
        loop {
            if seen == 0 || seen & GATE != 0 {
                return None;
            }
            // Ordering: Acquire, to see what was done with the connection before it was laid down.
            match word.compare_exchange_weak(seen, seen & (seen - 1), Acquire, Relaxed) {
                Ok(_) => return Some(self.pick_up(at, seen.trailing_zeros() as usize)),
                Err(now) => seen = now,
            }
        }
    }
}

#[repr(align(128))]
struct Cell<T> {
    connection: UnsafeCell<Option<T>>,
    record: Record,
}

// SAFETY: `connection` is touched only by the owner of the cell's place, so by one thread at a time, and each
// hand-over of a place (a bit of the word, or the lock) orders these accesses. `T: Send`, as connections move
// between threads that way. The record is made of atomics.
unsafe impl<T: Send> Sync for Cell<T> {}
// SAFETY: as for `Sync`; the cell owns its connection.
unsafe impl<T: Send> Send for Cell<T> {}

/// What is known of a slot's connection and its use. Written by whoever owns the place, or by the lock holder; anybody
/// may read it, and may see a hand-over half done. Times are ticks of the pool's [`Clock`](crate::clock::Clock).
pub(crate) struct Record {
    /// The connection's id.
    pub(crate) id: AtomicU64,
    /// From when on it must go through the lock: when it is to be replaced, or [`Record::MARKED`].
    pub(crate) due_at: AtomicU64,
    /// When it last proved to work, if that was not by coming back: opened, validated, or reset.
    pub(crate) good_at: AtomicU64,
    /// Since when it is idle, if that is not when it came back.
    pub(crate) idle_since: AtomicU64,
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
    /// How many idle spells ended.
    pub(crate) idle_spells: AtomicU64,
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
            idle_spells: zero(),
        }
    }

    /// The line that acquired it last.
    pub(crate) fn site(&self) -> &'static Location<'static> {
        // SAFETY: `new` and `set_site` store nothing but pointers made of `&'static Location<'static>`.
        unsafe { &*self.site.load(Relaxed) }
    }

    #[inline]
    pub(crate) fn set_site(&self, site: &'static Location<'static>) {
        self.site.store(std::ptr::from_ref(site).cast_mut(), Relaxed);
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

/// Adds to a counter that has one writer at a time, for which no read-modify-write is needed.
#[inline]
pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(amount), Relaxed);
}

/// See the module's first lines.
pub(crate) struct Shelf<T> {
    first: Chunk<T>,
    /// Level n holds the chunks 2^n to 2^(n+1) - 1. Never shrinks: a guard may be out for any of them.
    more: [OnceLock<Box<[Chunk<T>]>>; LEVELS],
    /// How many chunks there are; read by everyone, written when the pool grows.
    chunks: AtomicUsize,
    slots: AtomicU32,
    /// The chunk to look at first. Only a hint: who finds nothing without the lock, looks everywhere under it.
    hint: AtomicU32,
}

impl<T> Shelf<T> {
    /// An empty shelf, shut.
    pub(crate) fn new() -> Self {
        Shelf {
            first: Chunk::new(),
            more: std::array::from_fn(|_| OnceLock::new()),
            chunks: AtomicUsize::new(1),
            slots: AtomicU32::new(0),
            hint: AtomicU32::new(0),
        }
    }

    /// Makes one more slot.
    pub(crate) fn grow(&self) -> Place {
        // Ordering: Relaxed. Only the number must be unique; the place itself is passed on by the lock.
        let index = self.slots.fetch_add(1, Relaxed);
        let at = index as usize / SLOTS_PER_CHUNK;
        if at > 0 {
            let level = at.ilog2();
            let chunks = || (0..1_usize << level).map(|_| Chunk::new()).collect();
            self.more[level as usize].get_or_init(chunks);
        }
        // Ordering: Release, so that who reads the number finds the chunk.
        self.chunks.fetch_max(at + 1, Release);
        let cell = || Box::new(Cell { connection: UnsafeCell::new(None), record: Record::new() });
        self.chunk(at).cells[index as usize % SLOTS_PER_CHUNK].get_or_init(cell);
        Place { index }
    }

    /// Takes the lowest free connection of the first chunk that has one, if the gate is open.
    #[inline]
    pub(crate) fn take(&self) -> Option<(Place, T)> {
        match self.chunks.load(Acquire) {
            1 => self.first.take(0),
            chunks => self.search(chunks),
        }
    }

    fn search(&self, chunks: usize) -> Option<(Place, T)> {
        let hint = self.hint.load(Relaxed) as usize;
        for at in (hint..chunks).chain(0..hint.min(chunks)) {
            if let Some(taken) = self.chunk(at).take(at) {
                if at != hint {
                    self.hint.store(at as u32, Relaxed);
                }
                return Some(taken);
            }
        }
        None
    }

    /// Puts a connection back, if the gate is open.
    #[cfg(any(test, pool_loom))]
    pub(crate) fn put(&self, place: Place, connection: T) -> Result<(), (Place, T)> {
        // SAFETY: `self` is borrowed for the whole call.
        unsafe { Shelf::put_at(self, place, connection) }
    }

    /// Puts a connection back on the shelf that it keeps alive, if the gate is open.
    #[inline]
    pub(crate) fn put_home(place: Place, connection: T) -> Result<(), (Place, T)>
    where
        T: Housed,
    {
        let shelf = std::ptr::from_ref(connection.engine().shelf());
        // SAFETY: the connection keeps the shelf alive for as long as it has not been put there, and afterwards
        // `put_at` does not touch the shelf.
        unsafe { Shelf::put_at(shelf, place, connection) }
    }

    /// # Safety
    ///
    /// The shelf must live until the connection is on it. It is not touched after that.
    #[inline]
    unsafe fn put_at(shelf: *const Self, place: Place, connection: T) -> Result<(), (Place, T)> {
        // SAFETY: alive until the swap below succeeds, says the caller. Later the reference is still there but not used;
        // that is allowed, as all of the shelf is interior-mutable.
        let shelf = unsafe { &*shelf };
        let (at, bit) = split(&place);
        let chunk = shelf.chunk(at);
        let word = &chunk.word.0;
        let mut seen = word.load(Relaxed);
        if seen & GATE != 0 {
            return Err((place, connection));
        }
        if at < shelf.hint.load(Relaxed) as usize {
            shelf.hint.store(at as u32, Relaxed);
        }
        chunk.lay_down(&place, connection);
        loop {
            // Ordering: Release, for whoever takes it next.
            match word.compare_exchange_weak(seen, seen | 1 << bit, Release, Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) if now & GATE != 0 => return Err(chunk.pick_up(at, bit)),
                Err(now) => seen = now,
            }
        }
    }

    /// Whether the gate is shut, as seen from one place.
    #[inline]
    pub(crate) fn is_shut_for(&self, place: &Place) -> bool {
        self.chunk(split(place).0).word.0.load(Relaxed) & GATE != 0
    }

    /// What is known of a slot.
    #[inline]
    pub(crate) fn record(&self, index: SlotIndex) -> &Record {
        let (at, bit) = split(&Place { index });
        &self.chunk(at).cell(bit).record
    }

    /// How many chunks there are.
    pub(crate) fn chunks(&self) -> usize {
        self.chunks.load(Acquire)
    }

    /// The free slots of a chunk, as bits.
    pub(crate) fn free(&self, chunk: usize) -> u64 {
        // Ordering: Acquire, as what is seen of a free connection must be what its last holder left.
        self.chunk(chunk).word.0.load(Acquire) & !GATE
    }

    /// Shuts the gate. From here on only the lock holder takes and puts.
    pub(crate) fn shut(&self) {
        for at in 0..self.chunks() {
            self.chunk(at).word.0.fetch_or(GATE, AcqRel);
        }
    }

    /// Opens the gate.
    pub(crate) fn open(&self) {
        for at in 0..self.chunks() {
            self.chunk(at).word.0.fetch_and(!GATE, AcqRel);
        }
    }

    /// Takes one connection, whether the gate is open or not, if it is there.
    pub(crate) fn withdraw(&self, index: SlotIndex) -> Option<(Place, T)> {
        let (at, bit) = split(&Place { index });
        let chunk = self.chunk(at);
        let before = chunk.word.0.fetch_and(!(1 << bit), AcqRel);
        (before & 1 << bit != 0).then(|| chunk.pick_up(at, bit))
    }

    /// Puts a connection down, whether the gate is open or not.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the bit takes the place's place: the caller has it no more"
    )]
    pub(crate) fn deposit(&self, place: Place, connection: T) {
        let (at, bit) = split(&place);
        let chunk = self.chunk(at);
        chunk.lay_down(&place, connection);
        chunk.word.0.fetch_or(1 << bit, AcqRel);
    }

    #[inline]
    fn chunk(&self, at: usize) -> &Chunk<T> {
        if at == 0 {
            return &self.first;
        }
        let level = at.ilog2();
        let chunks = self.more[level as usize].get().expect("chunks are counted after they are made");
        &chunks[at - (1 << level)]
    }
}

/// Chunk and bit of a place.
#[inline]
fn split(place: &Place) -> (usize, usize) {
    let index = place.index as usize;
    if index < SLOTS_PER_CHUNK { (0, index) } else { (index / SLOTS_PER_CHUNK, index % SLOTS_PER_CHUNK) }
}

impl<T> fmt::Debug for Shelf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = (0..self.chunks()).map(|at| format!("{:x}", self.chunk(at).word.0.load(Relaxed)));
        f.debug_list().entries(words).finish()
    }
}
