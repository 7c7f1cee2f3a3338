//! A message made safe for the wire.

/// A message as it goes over the wire.
pub(super) struct Content {
    /// Lines end in CRLF, the last one too; a dot that begins a line is doubled.
    pub(super) wire: Vec<u8>,
    /// Some byte is not ASCII.
    pub(super) eight_bit: bool,
}

impl Content {
    /// Single CR and LF become CRLF: a server that ends lines at one of them would otherwise see
    /// an end of message, and commands, inside our text.
    pub(super) fn of(bytes: &[u8]) -> Content {
        let mut wire = Vec::with_capacity(bytes.len() + bytes.len() / 32 + 2);
        let (mut previous, mut line_begins) = (0, true);
        for &byte in bytes {
            match byte {
                b'\n' if previous == b'\r' => {}
                b'\r' | b'\n' => {
                    wire.extend_from_slice(b"\r\n");
                    line_begins = true;
                }
                _ => {
                    if byte == b'.' && line_begins {
                        wire.push(b'.');
                    }
                    wire.push(byte);
                    line_begins = false;
                }
            }
            previous = byte;
        }
        if !line_begins {
            wire.extend_from_slice(b"\r\n");
        }
        Content { wire, eight_bit: !bytes.is_ascii() }
    }
}
