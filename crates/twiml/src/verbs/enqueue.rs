//! `Enqueue`: the caller put into a queue.

use crate::attribute::{Count, Maybe, MethodName, Text, UrlReference};
use crate::nouns::Task;
use crate::print::Printer;
use crate::read::{self, Element, Node, Reader};
use model::method::Method;

/// The longest name of a queue, in characters.
pub(crate) const NAME_LIMIT: usize = 64;

element! {
    /// Puts the caller into a queue, which is created if there is none of that name.
    ///
    /// `<Enqueue waitUrl="/wait">support</Enqueue>`
    pub struct Enqueue in "Enqueue" {
        /// Where the call goes on when it has left the queue, as written.
        action: Option<String> = None, "action", Maybe(UrlReference), 14203;
        /// How `action` is asked.
        method: Method = Method::Post, "method", MethodName, 14201;
        /// What is heard meanwhile, as written; absent: music, empty: silence.
        wait_url: Option<String> = None, "waitUrl", Maybe(UrlReference), 14202;
        /// How `wait_url` is asked as written; see [`Enqueue::wait_method`].
        wait_url_method: Option<Method> = None, "waitUrlMethod", Maybe(MethodName), 14206;
        /// How many may wait; absent: what the queue has.
        max_queue_size: Option<u32> = None, "maxQueueSize", Maybe(Count(1, 5_000)), 12200;
        /// The workflow that takes the task instead of a plain queue.
        workflow_sid: Option<String> = None, "workflowSid", Maybe(Text), 14220;
    } holds {
        /// The queue; absent only with a workflow.
        name: Option<String>,
        /// The task for the workflow.
        task: Option<Task>,
    }
}

impl Enqueue {
    /// How the wait document is asked: as written, else POST with a `waitUrl`, GET without.
    pub fn wait_method(&self) -> Method {
        let unwritten = if self.wait_url.is_some() {
            Method::Post
        } else {
            Method::Get
        };
        self.wait_url_method.unwrap_or(unwritten)
    }
}

impl Element for Enqueue {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        reader.inside(node, &["Task"], 12200, |reader, child| {
            let task = Task::take(reader, child);
            if self.task.is_none() {
                self.task = task;
            } else {
                reader.warn(child, 12200, "Enqueue holds one Task, this one is ignored");
            }
        });
        let name = read::own_text(node);
        if name.chars().count() > NAME_LIMIT {
            reader.missing(node, 14205, "a queue name of at most 64 characters");
            return false;
        }
        if name.is_empty() && self.workflow_sid.is_none() {
            reader.missing(node, 14204, "the name of a queue, or a workflowSid");
            return false;
        }
        self.name = Some(name).filter(|name| !name.is_empty());
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        if let Some(name) = &self.name {
            printer.text(name);
        }
        if let Some(task) = &self.task {
            task.give(printer);
        }
    }
}
