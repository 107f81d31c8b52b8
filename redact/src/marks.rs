/// Which bytes of a buffer are hidden, one bit each.
pub struct Marks {
    bits: Vec<u64>,
    pub any: bool,
}

impl Marks {
    /// For a buffer of this length.
    pub fn new(length: usize) -> Self {
        Self { bits: vec![0; length.div_ceil(64)], any: false }
    }

    pub fn set(&mut self, start: usize, end: usize) {
        self.any = true;
        let (first, last) = (start / 64, (end - 1) / 64);
        let from = u64::MAX << (start % 64);
        let to = u64::MAX >> (63 - (end - 1) % 64);
        if first == last {
            self.bits[first] |= from & to;
        } else {
            self.bits[first] |= from;
            self.bits[first + 1..last].fill(u64::MAX);
            self.bits[last] |= to;
        }
    }

    pub fn has(&self, at: usize) -> bool {
        self.bits[at / 64] >> (at % 64) & 1 == 1
    }

    /// Calls `run` for each run of bytes that are all hidden or all visible.
    pub fn runs(&self, from: usize, to: usize, mut run: impl FnMut(usize, usize, bool)) {
        let (mut start, mut hide) = (from, self.has(from));
        let mut carry = 0;
        // An edge is a bit that differs from the previous one. None can be at `from` or before.
        let mut ignored = u64::MAX >> (63 - from % 64);
        for word in from / 64..=(to - 1) / 64 {
            let bits = self.bits[word];
            let mut edges = (bits ^ (bits << 1 | carry)) & !ignored;
            (carry, ignored) = (bits >> 63, 0);
            while edges != 0 {
                let end = word * 64 + edges.trailing_zeros() as usize;
                if end >= to {
                    break;
                }
                run(start, end, hide);
                (start, hide) = (end, !hide);
                edges &= edges - 1;
            }
        }
        run(start, to, hide);
    }

    /// Clears what is before `end`; nothing behind it was set.
    pub fn clear(&mut self, end: usize) {
        if self.any {
            self.bits[..end.div_ceil(64)].fill(0);
            self.any = false;
        }
    }
}
