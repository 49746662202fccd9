//! The closed sets of words that attributes take.

words! {
    /// Why a call is refused (`Reject reason`).
    pub enum RejectReason {
        /// The caller hears that the number is not in service.
        Rejected = "rejected",
        /// The caller hears busy.
        Busy = "busy",
    }
}

words! {
    /// What a Gather listens for; a Gather holds a list of these.
    pub enum InputKind {
        /// Keys.
        Dtmf = "dtmf",
        /// Words.
        Speech = "speech",
    }
}

words! {
    /// Whether and from when a dialled call is recorded (`Dial record`).
    pub enum DialRecord {
        /// Not at all; also written `false`.
        DoNotRecord = "do-not-record" | "false",
        /// Both parties mixed, from the answer; also written `true`.
        RecordFromAnswer = "record-from-answer" | "true",
        /// Both parties mixed, from the first ringing.
        RecordFromRinging = "record-from-ringing",
        /// One channel a party, from the answer.
        RecordFromAnswerDual = "record-from-answer-dual",
        /// One channel a party, from the first ringing.
        RecordFromRingingDual = "record-from-ringing-dual",
    }
}

words! {
    /// Whether a conference is recorded (`Conference record`).
    pub enum ConferenceRecord {
        /// Not at all; also written `false`.
        DoNotRecord = "do-not-record" | "false",
        /// From the moment it starts; also written `true`.
        RecordFromStart = "record-from-start" | "true",
    }
}

words! {
    /// Whether silence at both ends of a recording is cut off.
    pub enum Trim {
        /// Cut.
        TrimSilence = "trim-silence",
        /// Kept.
        DoNotTrim = "do-not-trim",
    }
}

words! {
    /// Which direction is recorded.
    pub enum RecordingTrack {
        /// What the caller's side says.
        Inbound = "inbound",
        /// What the caller's side hears.
        Outbound = "outbound",
        /// Both.
        Both = "both",
    }
}

words! {
    /// How many channels a recording started by `Start` has.
    pub enum RecordingChannels {
        /// Mixed to one.
        Mono = "mono",
        /// One a direction.
        Dual = "dual",
    }
}

words! {
    /// When a `recordingStatusCallback` is made.
    pub enum RecordingEvent {
        /// It has begun.
        InProgress = "in-progress",
        /// It can be fetched.
        Completed = "completed",
        /// It was too short or silent to keep.
        Absent = "absent",
        /// It was lost.
        Failed = "failed",
    }
}

words! {
    /// When a `statusCallback` of a dialled leg is made.
    pub enum CallEvent {
        /// The leg was created.
        Initiated = "initiated",
        /// It rings.
        Ringing = "ringing",
        /// It was answered.
        Answered = "answered",
        /// It ended, however it ended.
        Completed = "completed",
    }
}

words! {
    /// When a conference's `statusCallback` is made.
    pub enum ConferenceEvent {
        /// The conference starts.
        Start = "start",
        /// The conference ends.
        End = "end",
        /// Somebody joins.
        Join = "join",
        /// Somebody leaves.
        Leave = "leave",
        /// Somebody is muted or unmuted.
        Mute = "mute",
        /// Somebody is put on hold or taken off it.
        Hold = "hold",
        /// Somebody's settings are changed.
        Modify = "modify",
        /// Somebody begins or stops to speak.
        Speaker = "speaker",
        /// An announcement ended or failed.
        Announcement = "announcement",
    }
}

words! {
    /// When a conference beeps.
    pub enum Beep {
        /// On entering and on leaving.
        Both = "true",
        /// Never.
        Never = "false",
        /// On entering only.
        OnEnter = "onEnter",
        /// On leaving only.
        OnExit = "onExit",
    }
}

words! {
    /// How much a conference smooths a participant's jitter.
    pub enum JitterBufferSize {
        /// 20 ms or less added.
        Small = "small",
        /// About 40 ms.
        Medium = "medium",
        /// Up to 300 ms.
        Large = "large",
        /// None at all.
        Off = "off",
    }
}

words! {
    /// Answering machine detection on a dialled leg.
    pub enum MachineDetection {
        /// Say at once whether a person or a machine answered.
        Enable = "Enable",
        /// On a machine, wait for the end of its greeting.
        DetectMessageEnd = "DetectMessageEnd",
    }
}

words! {
    /// Which direction a `Stream`, `Siprec` or `Transcription` carries.
    pub enum Track {
        /// What the far end says.
        Inbound = "inbound_track",
        /// What the far end hears.
        Outbound = "outbound_track",
        /// Both.
        Both = "both_tracks",
    }
}

words! {
    /// Which events `Dial events` asks for.
    pub enum DialEvent {
        /// Call progress.
        CallProgress = "call-progress-event",
    }
}

words! {
    /// The ring-back heard while a Dial rings, by country.
    pub enum RingTone {
        /// Austria.
        At = "at",
        /// Australia.
        Au = "au",
        /// Bulgaria.
        Bg = "bg",
        /// Brazil.
        Br = "br",
        /// Belgium.
        Be = "be",
        /// Switzerland.
        Ch = "ch",
        /// Chile.
        Cl = "cl",
        /// China.
        Cn = "cn",
        /// Czechia.
        Cz = "cz",
        /// Germany.
        De = "de",
        /// Denmark.
        Dk = "dk",
        /// Estonia.
        Ee = "ee",
        /// Spain.
        Es = "es",
        /// Finland.
        Fi = "fi",
        /// France.
        Fr = "fr",
        /// Greece.
        Gr = "gr",
        /// Hungary.
        Hu = "hu",
        /// Israel.
        Il = "il",
        /// India.
        In = "in",
        /// Italy.
        It = "it",
        /// Lithuania.
        Lt = "lt",
        /// Japan.
        Jp = "jp",
        /// Mexico.
        Mx = "mx",
        /// Malaysia.
        My = "my",
        /// Netherlands.
        Nl = "nl",
        /// Norway.
        No = "no",
        /// New Zealand.
        Nz = "nz",
        /// Philippines.
        Ph = "ph",
        /// Poland.
        Pl = "pl",
        /// Portugal.
        Pt = "pt",
        /// Russia.
        Ru = "ru",
        /// Sweden.
        Se = "se",
        /// Singapore.
        Sg = "sg",
        /// Thailand.
        Th = "th",
        /// United Kingdom.
        Uk = "uk",
        /// United States.
        Us = "us",
        /// United States, as it sounded before.
        UsOld = "us-old",
        /// Taiwan.
        Tw = "tw",
        /// Venezuela.
        Ve = "ve",
        /// South Africa.
        Za = "za",
    }
}
