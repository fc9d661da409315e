//! Erofs as the crate erofs-rs reads it: the image, and a file in it.

use crate::iso::containers::ready;
use erofs_rs::r#async::EroFS;
use erofs_rs::backend::AsyncImage;
use erofs_rs::types::Inode;
use isolde::formats::{ReadAt, read_full};
use std::io;
use std::sync::Arc;

/// The image, read in place: a mapped file that shrinks would end the process.
#[derive(Debug)]
pub(crate) struct Whole<R>(pub(crate) R);

impl<R: ReadAt + Send + Sync> AsyncImage for Whole<R> {
    async fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> erofs_rs::Result<()> {
        match read_full(&self.0, buf, offset)? {
            count if count == buf.len() => Ok(()),
            _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }
}

/// A file in it, unpacked as far as it is read.
#[derive(Debug)]
pub(crate) struct Packed<R: ReadAt + Send + Sync> {
    pub(crate) system: Arc<EroFS<Whole<R>>>,
    pub(crate) inode: Inode,
}

impl<R: ReadAt + Send + Sync> ReadAt for Packed<R> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let file = self.system.open_inode_file(self.inode).map_err(failed)?;
        ready(file.read_at(buf, offset))?.map_err(failed)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.inode.data_size())
    }
}

/// What the crate says, by the file system's name.
pub(crate) fn failed(error: erofs_rs::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("erofs: {error}"))
}
