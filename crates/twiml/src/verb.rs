//! The table of contents of the language.

use crate::verbs::{
    Connect, Dial, Echo, Enqueue, Gather, Hangup, Leave, Pause, Pay, Play, Prompt, Queue, Record,
    Redirect, Refer, Reject, Say, Sms, Start, Stop,
};

choice! {
    /// One instruction of a document.
    pub enum Verb {
        /// Speak.
        Say(Say),
        /// Play a sound or keys.
        Play(Play),
        /// Wait in silence.
        Pause(Pause),
        /// Take keys or speech from the caller.
        Gather(Gather),
        /// Record the caller.
        Record(Record),
        /// Call somebody else and connect them.
        Dial(Dial),
        /// Put the caller into a queue.
        Enqueue(Enqueue),
        /// Take the caller out of the queue it waits in.
        Leave(Leave),
        /// End the call.
        Hangup(Hangup),
        /// Go on with another document.
        Redirect(Redirect),
        /// Refuse the call.
        Reject(Reject),
        /// Hand the call to another SIP address.
        Refer(Refer),
        /// Connect the call to a program until that ends.
        Connect(Connect),
        /// Begin something beside the call.
        Start(Start),
        /// End what `Start` began.
        Stop(Stop),
        /// Play the caller's sound back.
        Echo(Echo),
        /// Take a payment.
        Pay(Pay),
        /// What `Pay` says, at one of its steps.
        Prompt(Prompt),
        /// Send a text message.
        Sms(Sms),
        /// Old form of the queue verb.
        Queue(Queue),
    }
}

choice! {
    /// What may be heard inside a Gather or a Prompt.
    pub enum Sound {
        /// Speak.
        Say(Say),
        /// Play a sound or keys.
        Play(Play),
        /// Wait in silence.
        Pause(Pause),
    }
}
