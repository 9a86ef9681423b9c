//! Proof that `diesel-proto` does not need std: an echoing hub in a static library with its own
//! panic handler and allocator. If any dependency linked std, there would be two panic handlers,
//! and this would not compile; if it used a symbol of std, `main.c` would not link.
#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_void;

use diesel_proto::{Action, Address, Conn, Error, Hub, Instant};

unsafe extern "C" {
    fn aligned_alloc(align: usize, size: usize) -> *mut c_void;
    fn free(pointer: *mut c_void);
    fn abort() -> !;
}

struct LibC;

// SAFETY: `aligned_alloc` gives memory of that alignment, or null; `free` takes it back.
unsafe impl GlobalAlloc for LibC {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let layout = layout.align_to(size_of::<usize>()).unwrap_or(layout).pad_to_align();
        // SAFETY: the size is a multiple of the alignment, as C11 asks.
        unsafe { aligned_alloc(layout.align(), layout.size()).cast() }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, _layout: Layout) {
        // SAFETY: it came from `aligned_alloc`.
        unsafe { free(pointer.cast()) }
    }
}

#[global_allocator]
static ALLOCATOR: LibC = LibC;

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: it takes nothing and does not return.
    unsafe { abort() }
}

/// The precompiled `alloc` refers to it, although nothing unwinds here.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

async fn echo(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        conn.write(("you said: ", line)).await?;
    }
}

/// Draws random numbers, echoes one line, and returns how many bytes came back.
#[unsafe(no_mangle)]
pub extern "C" fn diesel_echo() -> usize {
    let mut hub = Hub::default();
    hub.seed([7; 32]);
    if hub.ctx().random() == [0; 16] {
        return 0;
    }
    let service = hub.add_service(echo);
    let now = Instant::ORIGIN;
    let Ok(conn) = hub.accept(now, service, Address::Unnamed) else { return 0 };
    let mut actions = Vec::new();
    let taken = hub.received(now, conn, b"hello\r\n");
    hub.run(now, &mut actions);
    if taken != 7 || actions != [Action::Send(conn)] {
        return 0;
    }
    let count = |slices: &[&[u8]]| slices.iter().map(|slice| slice.len()).sum();
    hub.outgoing(conn, count).unwrap_or(0)
}
