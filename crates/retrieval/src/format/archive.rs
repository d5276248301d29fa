//! ZIP archives whose claims are not believed.

use std::io::Cursor;
use std::io::Read;

use zip::ZipArchive;
use zip::result::ZipError;

use super::Limits;
use super::ParseError;

/// The members of an archive, unpacked one by one within one allowance for all.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    left: usize,
    limit: usize,
}

impl<'a> Archive<'a> {
    pub(super) fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, ParseError> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
        Ok(Self { zip, left: limits.unpacked, limit: limits.unpacked })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// The bytes of member `name`, if there is one.
    ///
    /// At most what is left of the allowance is unpacked, whatever sizes the archive claims.
    pub(super) fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, ParseError> {
        let mut member = match self.zip.by_name(name) {
            Ok(member) => member,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => {
                return Err(ParseError::Locked);
            }
            Err(error) => return Err(damaged(error)),
        };
        let mut bytes = Vec::new();
        let most = u64::try_from(self.left).unwrap_or(u64::MAX).saturating_add(1);
        let read = member.by_ref().take(most).read_to_end(&mut bytes);
        if bytes.len() > self.left {
            return Err(ParseError::TooLarge {
                what: "bytes once it is unpacked",
                limit: self.limit,
            });
        }
        read.map_err(|error| ParseError::Damaged(error.to_string()))?;
        self.left -= bytes.len();
        Ok(Some(bytes))
    }

    /// Members whose name begins with `start` and ends with `.xml`, in the order of the number in their names.
    pub(super) fn numbered(&self, start: &str) -> Vec<String> {
        let number =
            |name: &str| name.strip_prefix(start)?.strip_suffix(".xml")?.parse::<u32>().ok();
        let mut names: Vec<(u32, String)> = self
            .zip
            .file_names()
            .filter_map(|name| Some((number(name)?, name.to_owned())))
            .collect();
        names.sort();
        names.into_iter().map(|(_, name)| name).collect()
    }
}

fn damaged(error: ZipError) -> ParseError {
    ParseError::Damaged(error.to_string())
}
