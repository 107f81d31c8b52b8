use win32job::{ExtendedLimitInfo, Job};
use winsafe::guard::CloseHandleGuard;
use winsafe::{HPROCESS, HPROCESSLIST, co};

/// A process whose end is watched for. As long as it is, its number means no other.
pub struct Watched(Option<CloseHandleGuard<HPROCESS>>);

impl Watched {
    /// Watches the process with this number. `None`, and one that can't be opened, never end.
    #[must_use]
    pub fn new(number: Option<u32>) -> Self {
        Self(number.and_then(|number| open(number, co::PROCESS::SYNCHRONIZE)))
    }

    /// Whether the process has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.as_ref().is_some_and(|process| process.WaitForSingleObject(Some(0)) == Ok(co::WAIT::OBJECT_0))
    }
}

fn open(number: u32, rights: co::PROCESS) -> Option<CloseHandleGuard<HPROCESS>> {
    HPROCESS::OpenProcess(rights, false, number).ok()
}

/// Whether there is a process with this number that has not ended, and whose end can be noticed.
#[must_use]
pub fn is_alive(number: u32) -> bool {
    let watched = Watched::new(Some(number));
    watched.0.is_some() && !watched.has_ended()
}

/// The process that lives as long as the job: in the action the grandparent of this process, because the parent is the action's script.
/// Else `None`: what a shell for Unix starts has a parent that ends at once.
#[must_use]
pub fn job_process(action: bool) -> Option<u32> {
    if action { parent_of(parent_of(std::process::id())?) } else { None }
}

/// What a process is called, for people: the name of its program.
#[must_use]
pub fn name_of(number: u32) -> Option<String> {
    let mut processes = HPROCESSLIST::CreateToolhelp32Snapshot(co::TH32CS::SNAPPROCESS, None).ok()?;
    processes.iter_processes().flatten().find(|process| process.th32ProcessID == number).map(winsafe::PROCESSENTRY32::szExeFile)
}

/// `None`: who may read the environment of another process is not looked at here.
#[must_use]
pub fn ancestor_with(_text: &[u8]) -> Option<u32> {
    None
}

/// The number of a process's parent, if that is still the process that has it.
fn parent_of(number: u32) -> Option<u32> {
    let mut processes = HPROCESSLIST::CreateToolhelp32Snapshot(co::TH32CS::SNAPPROCESS, None).ok()?;
    let found = processes.iter_processes().flatten().find(|process| process.th32ProcessID == number)?.th32ParentProcessID;
    (begun(found)? <= begun(number)?).then_some(found)
}

/// When a process began, in units of 100 ns.
fn begun(number: u32) -> Option<u64> {
    let (begun, ..) = open(number, co::PROCESS::QUERY_LIMITED_INFORMATION)?.GetProcessTimes().ok()?;
    Some(u64::from(begun.dwHighDateTime) << 32 | u64::from(begun.dwLowDateTime))
}

/// Does nothing: a process can't be asked to end here. A keeper notices by itself that its session is over.
pub fn ask_to_end(_number: u32) {}

/// The process that started this one: its end says nothing here, because a shell for Unix starts programs by one that ends at once.
pub struct Parent(std::convert::Infallible);

impl Parent {
    /// None.
    #[must_use]
    pub fn to_watch() -> Option<Self> {
        None
    }

    /// Never noticed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        match self.0 {}
    }
}

/// Processes that are ended when nobody holds this any more.
/// <https://learn.microsoft.com/windows/win32/procthread/job-objects>
fn job() -> Option<Job> {
    let mut limits = ExtendedLimitInfo::new();
    // What asks to leave the job of its starter must still be able to.
    limits.limit_kill_on_job_close().limit_breakaway_ok();
    Job::create_with_limit_info(&limits).ok()
}

/// Lets its processes live on.
fn release(job: Job) {
    if job.set_extended_limit_info(&ExtendedLimitInfo::new()).is_err() {
        // Closing it would end them.
        let _ = job.into_handle();
    }
}

/// This process and all that it starts from now on: if it is killed, the system ends the others. Not so once this is dropped.
pub struct Tree(Option<Job>);

impl Tree {
    /// Begins one. Where the system makes none, the others live on.
    #[must_use]
    pub fn new() -> Self {
        Self(job().filter(|job| job.assign_current_process().is_ok()))
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(release);
    }
}

/// A process and what it starts: all are ended at once when this is dropped.
pub struct Group(Option<Job>);

impl Group {
    /// The group of this process, without what it has started so far.
    #[must_use]
    pub fn of(leader: &tokio::process::Child) -> Self {
        let handle = leader.raw_handle().map(|handle| handle as isize);
        Self(job().filter(|job| handle.is_some_and(|handle| job.assign_process(handle).is_ok())))
    }

    /// Lets them live.
    pub fn release(mut self) {
        self.0.take().into_iter().for_each(release);
    }
}
