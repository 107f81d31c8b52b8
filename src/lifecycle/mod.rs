//! The life of a token: issued, renewed, kept fresh, ended. Commands only ask for it.

mod advice;
mod context;
mod done;
pub mod end;
pub mod identity;
pub mod issue;
pub mod keep;
mod program;
mod rehearse;
mod renew;
mod stop;
mod witness;

pub use context::{Context, LOCK, Outside, REQUEST};
pub use done::{Done, counted};
pub use end::{EndHow, both, end_others, end_out_of_reach, end_session, end_session_into, how_to_end};
pub use issue::{NewToken, issue, release};
pub use keep::{Launch, add_files, with_piped};
pub use program::{Program, Start};
pub use rehearse::{rehearse, rehearse_end};
pub use renew::{MINT_FIRST, Role, TokenSource};
pub use stop::Stop;
pub use witness::{Seen, Witness};
