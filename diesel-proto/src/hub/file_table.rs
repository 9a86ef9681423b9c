//! [`FileTable`]: what a hub knows of its files.
//!
//! It must never know how a file is opened, nor what keeps it open.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::{Cell, RefCell};

use crate::machine::{Key, KeyedTable};

/// The files that are open or being opened, and the number of directories.
pub(super) struct FileTable {
    pub(super) directories: Cell<u32>,
    pub(super) files: RefCell<KeyedTable<()>>,
    /// How many entries of the table of jobs are requests for files.
    pub(super) requests: Cell<usize>,
    /// Files that were given up while a region of them was queued on this connection.
    pub(super) sending: RefCell<Vec<(Key, Rc<dyn Any>)>>,
}

impl FileTable {
    pub(super) const fn new() -> Self {
        FileTable {
            directories: Cell::new(0),
            files: RefCell::new(KeyedTable::new()),
            requests: Cell::new(0),
            sending: RefCell::new(Vec::new()),
        }
    }
}
