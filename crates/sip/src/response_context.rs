//! One call to several places: the target set and the response context of RFC 3261 sections 16.5 to
//! 16.7, for a user agent that calls on somebody's behalf.
//!
//! Targets ring at the same time; each is a branch. A branch goes on by itself: to the next address
//! of its host when one is out of order (RFC 3263 section 4.3), and to the contacts of a 3xx (RFC
//! 3261 section 8.1.3.4). The first 2xx wins and ends the others; without one the best refusal is
//! what the caller is told.

use crate::event::DialogKey;
use crate::invitation::Destination;
use crate::message::Uri;
use std::collections::VecDeque;

/// Branches of one call; further targets are not called.
pub const MOST_BRANCHES: usize = 10;
/// How often a branch may be redirected.
pub const MOST_REDIRECTIONS: u8 = 5;
/// Contacts of one 3xx that are tried.
pub const MOST_CONTACTS: usize = 5;
/// Addresses that one branch may be sent to in all.
const MOST_ATTEMPTS: u8 = 20;

/// Somewhere a call may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The Request-URI.
    pub uri: Uri,
    /// The ways there, best first; with none the target fails with 503.
    pub ways: VecDeque<Destination>,
    /// Whether the call's credentials are meant for it: not for one that a 3xx named.
    pub trusted: bool,
}

/// Names a branch of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BranchId(usize);

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send an INVITE, then tell [`ResponseContext::placed`].
    Invite {
        /// For which branch.
        branch: BranchId,
        /// The Request-URI.
        uri: Uri,
        /// Where to send it.
        way: Destination,
        /// Whether the call's credentials may be used.
        trusted: bool,
        /// Whether there is another way, or another place that rings, so that one that stays silent need not be waited for.
        spare: bool,
    },
    /// Find the ways to these contacts, best first, then tell [`ResponseContext::located`].
    Locate {
        /// For which branch.
        branch: BranchId,
        /// What the 3xx named.
        contacts: Vec<Uri>,
    },
    /// Hang up: it was answered elsewhere, or refused for all.
    Cancel(DialogKey),
    /// Nobody took the call; this is the best refusal. Nothing follows.
    Failed(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// An INVITE or the ways to its contacts were asked for.
    Waiting,
    /// An INVITE is on its way; whether the far end has shown that it works on it.
    Placed { key: DialogKey, progressed: bool },
    /// Refused.
    Over,
}

#[derive(Clone, Debug)]
struct Branch {
    state: State,
    /// What is being tried, and what comes after it.
    targets: VecDeque<Target>,
    redirections: u8,
    attempts: u8,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct ResponseContext {
    branches: Vec<Branch>,
    steps: VecDeque<Step>,
    best: Option<u16>,
    /// Every Request-URI so far: a 3xx that names one again is a loop (section 8.1.3.4).
    tried: Vec<Uri>,
    /// Answered, failed or given up.
    over: bool,
}

impl ResponseContext {
    /// Rings all of these at the same time.
    pub fn new(targets: impl IntoIterator<Item = Target>) -> Self {
        let mut context = Self::default();
        for target in targets.into_iter().take(MOST_BRANCHES) {
            context.tried.push(target.uri.clone());
            context.branches.push(Branch {
                state: State::Waiting,
                targets: VecDeque::from([target]),
                redirections: 0,
                attempts: 0,
            });
        }
        for at in 0..context.branches.len() {
            context.attempt(BranchId(at));
        }
        context.conclude();
        context
    }

    /// The next step.
    pub fn poll(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// The INVITE of a branch is on its way.
    pub fn placed(&mut self, branch: BranchId, key: DialogKey) {
        if self.over {
            self.steps.push_back(Step::Cancel(key));
        } else if let Some(branch) = self.branches.get_mut(branch.0) {
            branch.state = State::Placed {
                key,
                progressed: false,
            };
        }
    }

    /// A 1xx other than 100 came.
    pub fn progressed(&mut self, key: DialogKey) {
        if let Some(at) = self.of(key) {
            self.branches[at].state = State::Placed {
                key,
                progressed: true,
            };
        }
    }

    /// A 2xx came; true for the one that wins. The others are cancelled; a 2xx of theirs that
    /// crosses the CANCEL is acknowledged and ended by the endpoint.
    pub fn answered(&mut self, key: DialogKey) -> bool {
        let Some(at) = self.of(key).filter(|_| !self.over) else {
            return false;
        };
        self.branches[at].state = State::Over;
        self.give_up();
        true
    }

    /// A branch was refused or failed; `contacts` are those of a 3xx, best first.
    pub fn rejected(&mut self, key: DialogKey, status: u16, contacts: Vec<Uri>) {
        let Some(at) = self.of(key).filter(|_| !self.over) else {
            return;
        };
        let branch = &mut self.branches[at];
        // Section 8.1.3.1 makes a broken connection a 503 and silence a 408; a telephone that rang
        // and then says 408 is there.
        let unreachable = matches!(
            (status, branch.state),
            (503, _)
                | (
                    408,
                    State::Placed {
                        progressed: false,
                        ..
                    }
                )
        );
        branch.state = State::Waiting;
        if status >= 600 {
            // Section 16.7 step 5: it speaks for the person, wherever they are.
            self.give_up();
            self.steps.push_back(Step::Failed(status));
            return;
        }
        let branch = &mut self.branches[at];
        if (300..400).contains(&status) && branch.redirections < MOST_REDIRECTIONS {
            let mut fresh = Vec::new();
            for contact in contacts {
                let known = self.tried.iter().any(|uri| uri.same(&contact));
                if !known && fresh.len() < MOST_CONTACTS {
                    self.tried.push(contact.clone());
                    fresh.push(contact);
                }
            }
            if !fresh.is_empty() {
                branch.redirections += 1;
                branch.targets.pop_front();
                self.steps.push_back(Step::Locate {
                    branch: BranchId(at),
                    contacts: fresh,
                });
                return;
            }
        }
        if !unreachable {
            branch.targets.pop_front();
        }
        self.note(status);
        self.attempt(BranchId(at));
        self.conclude();
    }

    /// The ways to the contacts of a 3xx were found, as far as there are any.
    pub fn located(&mut self, branch: BranchId, targets: Vec<Target>) {
        if self.over {
            return;
        }
        if let Some(found) = self.branches.get_mut(branch.0) {
            // What the 3xx named comes before what was left over.
            for target in targets.into_iter().rev() {
                found.targets.push_front(target);
            }
            self.attempt(branch);
            self.conclude();
        }
    }

    /// The caller gave up: every branch is cancelled, and nothing else follows.
    pub fn give_up(&mut self) {
        self.over = true;
        self.steps.clear();
        for branch in &mut self.branches {
            if let State::Placed { key, .. } = branch.state {
                self.steps.push_back(Step::Cancel(key));
            }
            branch.state = State::Over;
        }
    }

    /// Whether only one branch is left: its early media is what the caller may hear.
    pub fn alone(&self) -> bool {
        self.branches
            .iter()
            .filter(|branch| branch.state != State::Over)
            .count()
            <= 1
    }

    /// The dialogs under way.
    pub fn dialogs(&self) -> impl Iterator<Item = DialogKey> {
        self.branches
            .iter()
            .filter_map(|branch| match branch.state {
                State::Placed { key, .. } => Some(key),
                _ => None,
            })
    }

    fn of(&self, key: DialogKey) -> Option<usize> {
        self.branches.iter().position(
            |branch| matches!(branch.state, State::Placed { key: placed, .. } if placed == key),
        )
    }

    /// Sends a branch to its next way; it is over when there is none.
    fn attempt(&mut self, id: BranchId) {
        // A telephone that went away without a word must not hold up what the others say.
        let others = self.branches.len() > 1;
        let branch = &mut self.branches[id.0];
        let mut unreachable = false;
        while let Some(target) = branch.targets.front_mut() {
            let Some(way) = target
                .ways
                .pop_front()
                .filter(|_| branch.attempts < MOST_ATTEMPTS)
            else {
                unreachable = true;
                branch.targets.pop_front();
                continue;
            };
            let (uri, trusted) = (target.uri.clone(), target.trusted);
            branch.attempts += 1;
            branch.state = State::Waiting;
            let spare = others || branch.targets.iter().any(|target| !target.ways.is_empty());
            self.steps.push_back(Step::Invite {
                branch: id,
                uri,
                way,
                trusted,
                spare,
            });
            return;
        }
        branch.state = State::Over;
        if unreachable {
            self.note(503);
        }
    }

    /// Fails the call once no branch is left.
    fn conclude(&mut self) {
        let left = self
            .branches
            .iter()
            .any(|branch| branch.state != State::Over);
        if !left && !self.over {
            self.over = true;
            self.steps.push_back(Step::Failed(self.best.unwrap_or(480)));
        }
    }

    /// Keeps the better refusal (section 16.7 step 6): 6xx, then the lowest class. A 503 says only
    /// that one way is shut, and 408, 480 and 487 that nobody acted: what a person did comes first.
    fn note(&mut self, status: u16) {
        let rank = |status: u16| match status {
            600.. => 0,
            401 | 407 | 415 | 420 | 484 => 2,
            408 | 480 | 487 => 4,
            400..500 => 3,
            503 => 6,
            500..600 => 5,
            // A 3xx that led nowhere.
            _ => 1,
        };
        if self.best.is_none_or(|best| rank(status) < rank(best)) {
            self.best = Some(status);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Transport;

    fn way(port: u16) -> Destination {
        Destination::Address {
            transport: Transport::Udp,
            local: ([192, 0, 2, 1], 5060).into(),
            remote: ([192, 0, 2, 9], port).into(),
        }
    }

    fn target(user: &str, ports: &[u16]) -> Target {
        Target {
            uri: Uri::sip(Some(user), "example.com", None),
            ways: ports.iter().map(|port| way(*port)).collect(),
            trusted: true,
        }
    }

    /// Places everything that is asked for; dialogs are numbered by the port.
    fn place(context: &mut ResponseContext) -> Vec<Step> {
        let mut rest = Vec::new();
        while let Some(step) = context.poll() {
            match step {
                Step::Invite { branch, way, .. } => {
                    let Destination::Address { remote, .. } = way else {
                        panic!("{way:?}")
                    };
                    context.placed(branch, DialogKey(remote.port().into()));
                }
                other => rest.push(other),
            }
        }
        rest
    }

    fn ringing(context: &ResponseContext) -> Vec<u64> {
        context.dialogs().map(|key| key.0).collect()
    }

    #[test]
    fn all_ring_the_first_answer_wins_and_a_second_changes_nothing() {
        let mut context =
            ResponseContext::new([target("a", &[1]), target("b", &[2]), target("c", &[3])]);
        assert!(place(&mut context).is_empty());
        assert_eq!(ringing(&context), [1, 2, 3]);
        assert!(!context.alone());
        assert!(context.answered(DialogKey(2)));
        assert_eq!(
            place(&mut context),
            [Step::Cancel(DialogKey(1)), Step::Cancel(DialogKey(3))]
        );
        assert!(!context.answered(DialogKey(3)));
        context.rejected(DialogKey(1), 487, Vec::new());
        assert!(place(&mut context).is_empty());
    }

    #[test]
    fn the_best_refusal_is_told_once_all_have_refused() {
        let mut context =
            ResponseContext::new([target("a", &[1]), target("b", &[2]), target("c", &[3])]);
        place(&mut context);
        context.rejected(DialogKey(1), 503, Vec::new());
        context.rejected(DialogKey(2), 480, Vec::new());
        assert!(place(&mut context).is_empty());
        assert!(context.alone());
        context.rejected(DialogKey(3), 486, Vec::new());
        assert_eq!(place(&mut context), [Step::Failed(486)]);
    }

    #[test]
    fn a_decline_for_everybody_ends_the_others() {
        let mut context = ResponseContext::new([target("a", &[1]), target("b", &[2])]);
        place(&mut context);
        context.rejected(DialogKey(1), 603, Vec::new());
        assert_eq!(
            place(&mut context),
            [Step::Cancel(DialogKey(2)), Step::Failed(603)]
        );
    }

    #[test]
    fn a_broken_address_gives_way_to_the_next_and_a_busy_one_does_not() {
        let mut context = ResponseContext::new([target("a", &[1, 2, 3])]);
        let Some(Step::Invite {
            branch,
            spare: true,
            ..
        }) = context.poll()
        else {
            panic!("an INVITE with another way to spare")
        };
        context.placed(branch, DialogKey(1));
        context.rejected(DialogKey(1), 503, Vec::new());
        place(&mut context);
        assert_eq!(ringing(&context), [2]);
        context.rejected(DialogKey(2), 408, Vec::new());
        place(&mut context);
        assert_eq!(ringing(&context), [3]);
        context.progressed(DialogKey(3));
        context.rejected(DialogKey(3), 486, Vec::new());
        assert_eq!(place(&mut context), [Step::Failed(486)]);

        let mut context = ResponseContext::new([target("a", &[1, 2])]);
        place(&mut context);
        context.progressed(DialogKey(1));
        context.rejected(DialogKey(1), 408, Vec::new());
        assert_eq!(place(&mut context), [Step::Failed(408)]);
    }

    #[test]
    fn a_redirection_is_followed_to_its_contacts_one_after_the_other() {
        let mut context = ResponseContext::new([target("a", &[1, 2])]);
        place(&mut context);
        let contact = |user| Uri::sip(Some(user), "example.com", None);
        context.rejected(
            DialogKey(1),
            302,
            vec![contact("b"), contact("a"), contact("c")],
        );
        let steps = place(&mut context);
        let [Step::Locate { branch, contacts }] = &steps[..] else {
            panic!("{steps:?}")
        };
        assert_eq!(contacts[..], [contact("b"), contact("c")]);
        context.located(*branch, vec![target("b", &[5]), target("c", &[6])]);
        place(&mut context);
        assert_eq!(ringing(&context), [5]);
        context.rejected(DialogKey(5), 486, Vec::new());
        place(&mut context);
        assert_eq!(ringing(&context), [6]);
        context.rejected(DialogKey(6), 480, Vec::new());
        assert_eq!(place(&mut context), [Step::Failed(486)]);
    }

    #[test]
    fn redirections_come_to_an_end() {
        let mut context = ResponseContext::new([target("a", &[1])]);
        let mut redirected = 0;
        for at in 1.. {
            let steps = place(&mut context);
            if let [Step::Failed(302)] = steps[..] {
                break;
            }
            if let [Step::Locate { branch, .. }] = steps[..] {
                redirected += 1;
                context.located(branch, vec![target(&format!("t{at}"), &[at])]);
                place(&mut context);
            }
            let next = Uri::sip(Some(&format!("t{}", at + 1)), "example.com", None);
            let key = context.dialogs().next().expect("one rings");
            context.rejected(key, 302, vec![next]);
            assert!(at < 20);
        }
        assert_eq!(redirected, MOST_REDIRECTIONS);
    }

    #[test]
    fn whoever_gives_up_cancels_all_and_what_was_under_way() {
        let mut context = ResponseContext::new([target("a", &[1]), target("b", &[2])]);
        let Some(Step::Invite { branch, .. }) = context.poll() else {
            panic!("an INVITE")
        };
        context.placed(branch, DialogKey(1));
        context.give_up();
        assert_eq!(context.poll(), Some(Step::Cancel(DialogKey(1))));
        assert_eq!(context.poll(), None);
        context.placed(BranchId(1), DialogKey(2));
        assert_eq!(context.poll(), Some(Step::Cancel(DialogKey(2))));
    }

    #[test]
    fn nowhere_to_go_fails_at_once() {
        assert_eq!(ResponseContext::new([]).poll(), Some(Step::Failed(480)));
        assert_eq!(
            ResponseContext::new([target("a", &[])]).poll(),
            Some(Step::Failed(503))
        );
    }
}
